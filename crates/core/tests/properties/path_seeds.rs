//! Replays the seeds of the fuzz target for paths with the stable toolchain.

use std::path::Path;

use keystile_core::route::PlainPath;

use crate::path_laws;

/// A seed's name begins with what the parser must make of it.
#[test]
fn every_seed_of_a_path_keeps_the_laws_and_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/route_path");
    let mut met = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        path_laws::hold(&bytes);
        let kind = if PlainPath::parse(&bytes).is_ok() { "plain" } else { "refused" };
        assert!(name.starts_with(kind), "{name} is {kind}");
        met.insert(kind);
    }
    assert_eq!(met.into_iter().collect::<Vec<_>>(), ["plain", "refused"]);
}
