//! What is true of any bytes as a stream of events, and as an answer that is looked through while it passes. The fuzz target searches for bytes that break it; the test beside it replays the seeds.

use bytes::Bytes;
use keystile_proxy::{Frames, Sieve};
use serde_json::Value;

/// The shortest bound at which pieces are of use; small, so that a search finds events that are longer.
const LONGEST: usize = 64;

/// Longest value that is kept of an answer while it passes.
const LONGEST_KEPT: usize = 16 * 1024;

/// The events of bytes that come in pieces of `length`, and what is left.
pub(crate) fn events(bytes: &[u8], length: usize, longest: usize) -> Vec<Bytes> {
    let mut frames = Frames::within(longest);
    let mut events = Vec::new();
    for piece in bytes.chunks(length) {
        frames.push(Bytes::copy_from_slice(piece));
        events.extend(frames.by_ref());
    }
    events.push(frames.rest());
    events
}

/// Whether something is found in bytes that come in pieces of `length`, as in an answer that is no stream; and what that is.
fn found(bytes: &[u8], length: usize) -> String {
    let mut sieve = Sieve::default();
    bytes.chunks(length).for_each(|piece| sieve.pass(piece));
    format!("{:?}", sieve.found())
}

/// What an answer tells is the same whether it is read as a whole or looked through, but for values that are too long to be kept.
fn agree(bytes: &[u8]) {
    let Ok(Value::Object(whole)) = serde_json::from_slice(bytes) else { return };
    let mut sieve = Sieve::default();
    sieve.pass(bytes);
    let found = sieve.found().unwrap();
    for name in ["usage", "duration"] {
        let may_be_left_out = bytes.len() > LONGEST_KEPT && found.get(name).is_none();
        assert!(
            may_be_left_out || found.get(name) == whole.get(name),
            "`{name}` of {whole:?} is not {found}"
        );
    }
}

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    agree(bytes);
    let in_one = found(bytes, bytes.len().max(1));
    for length in [1, 2, 3, 5] {
        assert_eq!(found(bytes, length), in_one, "in pieces of {length}");
    }
    for longest in [1, 7, LONGEST, bytes.len() + 1] {
        let whole = events(bytes, bytes.len().max(1), longest);
        assert_eq!(whole.concat(), bytes, "nothing is lost");
        assert!(whole.iter().all(|event| event.len() <= longest));
        let (_, ended) = whole.split_last().unwrap();
        assert!(ended.iter().all(|event| !event.is_empty()));
        for length in [1, 2, 3, 5] {
            assert_eq!(events(bytes, length, longest), whole, "in pieces of {length}");
        }
    }
}
