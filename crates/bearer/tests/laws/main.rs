//! Laws of what is read from headers, and the seeds that fuzz targets begin with.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its seeds has failed")]

mod credential;
mod forwarded;

use std::collections::BTreeSet;
use std::path::Path;

/// Each seed keeps the laws; its name begins with what is made of it. Gives all that were met.
fn met(target: &str, laws: fn(&[u8]), kind: fn(&[u8]) -> &'static str) -> Vec<&'static str> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        laws(&bytes);
        assert!(name.starts_with(kind(&bytes)), "{name} is {}", kind(&bytes));
        met.insert(kind(&bytes));
    }
    met.into_iter().collect()
}

#[test]
fn every_seed_of_credentials_keeps_the_laws_and_is_what_its_name_says() {
    let expected = ["ambiguous", "key", "malformed", "none", "token"];
    assert_eq!(met("credential", credential::hold, credential::kind), expected);
}

#[test]
fn every_seed_of_forwarded_addresses_keeps_the_laws_and_is_what_its_name_says() {
    assert_eq!(met("forwarded", forwarded::hold, forwarded::kind), ["known", "unknown"]);
}
