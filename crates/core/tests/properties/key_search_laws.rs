//! What is true of the search for keys in any bytes at all. The fuzz target searches for bytes that break it; the test
//! beside it replays the seeds.

use keystile_core::key::{KeySearch, LONGEST_KEY, Presented};

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let expected = by_looking_everywhere(bytes);
    // The first byte chooses how the rest is cut.
    let piece = 1 + usize::from(bytes.first().copied().unwrap_or_default());
    for piece in [piece, bytes.len().max(1)] {
        assert_eq!(found(bytes, piece), expected, "in pieces of {piece}");
    }
}

/// The keys that the search finds, each with its line.
pub(crate) fn found(bytes: &[u8], piece: usize) -> Vec<(String, u64)> {
    let (mut search, mut all) = (KeySearch::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        search.read(piece, |key| all.push((key.text.to_owned(), key.line)));
    }
    all
}

/// The same by the parser alone, of every part that is no longer than a key. All of ours begin with this letter.
fn by_looking_everywhere(bytes: &[u8]) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    for at in (0..bytes.len()).filter(|at| bytes[*at] == b's') {
        let most = LONGEST_KEY.min(bytes.len() - at);
        let texts = (1..=most).filter_map(|length| std::str::from_utf8(&bytes[at..at + length]).ok());
        let mut keys = texts.filter(|text| matches!(Presented::parse(text), Ok(Presented::Ours(_))));
        if let Some(key) = keys.next() {
            let breaks = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
            all.push((key.to_owned(), breaks as u64 + 1));
        }
    }
    all
}
