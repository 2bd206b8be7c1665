//! Replays the fuzz target's seeds with the stable toolchain.

use std::path::Path;

use keystile_core::key::Presented;

use crate::key_text_laws;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/key_text");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

#[test]
fn every_seed_keeps_the_laws() {
    for (_, bytes) in seeds() {
        key_text_laws::hold(&bytes);
    }
}

/// A seed's name begins with what the parser must make of it, so that no kind of text goes unsown.
#[test]
fn every_seed_is_what_its_name_says() {
    let mut met = std::collections::BTreeSet::new();
    for (name, bytes) in seeds() {
        let kind = match std::str::from_utf8(&bytes).map(Presented::parse) {
            Ok(Ok(Presented::Ours(_))) => "ours",
            Ok(Ok(Presented::Foreign)) => "foreign",
            Ok(Err(_)) => "malformed",
            Err(_) => "bytes",
        };
        assert!(name.starts_with(kind), "{name} is {kind}");
        met.insert(kind);
    }
    assert_eq!(met.into_iter().collect::<Vec<_>>(), ["bytes", "foreign", "malformed", "ours"]);
}
