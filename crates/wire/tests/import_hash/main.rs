//! Replays the seeds of the fuzz target for hashes of imported keys.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod laws;

use std::collections::BTreeSet;
use std::path::Path;

/// A seed's name begins with the encoding that it is read in.
#[test]
fn every_seed_keeps_the_laws_and_is_what_its_name_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/import_hash");
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        laws::hold(&bytes);
        let read = |encoding: &&str| {
            std::str::from_utf8(&bytes).is_ok_and(|text| laws::read(text, encoding).is_some())
        };
        let kind = laws::ENCODINGS.into_iter().find(read).unwrap_or("refused");
        assert!(name.starts_with(kind), "{name} is {kind}");
        met.insert(kind);
    }
    assert_eq!(met.into_iter().collect::<Vec<_>>(), ["base64", "base64url", "hex", "refused"]);
}
