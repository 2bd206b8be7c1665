//! What is true of any bytes as the hash of an imported key. The fuzz target searches for bytes that break it; the test beside
//! it replays the seeds.

use keystile_core::Digest;
use keystile_wire::ImportKeys;
use serde_json::json;

/// How hashes are written.
pub(crate) const ENCODINGS: [&str; 3] = ["hex", "base64", "base64url"];

/// What an import makes of a hash.
pub(crate) fn read(hash: &str, encoding: &str) -> Option<Digest> {
    let request =
        json!({ "algorithm": "sha256", "encoding": encoding, "keys": [{ "hash": hash, "name": "a" }] });
    let request: ImportKeys = serde_json::from_value(request).unwrap();
    match request.parse() {
        Ok(imports) => Some(imports.into_iter().next().unwrap().secret.digest),
        Err(broken) => {
            assert!(broken.iter().all(|invalid| invalid.field == "keys[0].hash"), "{broken:?}");
            None
        }
    }
}

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for encoding in ENCODINGS {
        let Some(digest) = read(text, encoding) else { continue };
        assert_eq!(read(&digest.to_hex(), "hex"), Some(digest), "one hash has one digest");
        let digits = text.trim_end_matches('=').len();
        assert_eq!(digits, if encoding == "hex" { 64 } else { 43 }, "all of 32 bytes, and nothing else");
        assert!(text.is_ascii());
    }
    let both = ["base64", "base64url"].map(|encoding| read(text, encoding));
    if let [Some(one), Some(other)] = both {
        assert_eq!(one, other, "where both alphabets agree");
    }
}
