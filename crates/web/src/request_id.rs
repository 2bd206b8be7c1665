//! A name for every request, in its answer and in the logs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from the client or a gateway.
const MAX_LENGTH: usize = 64;

/// The id of one request: visible ASCII of at most 64 characters.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// Makes ids that differ from those of other processes and do not tell how many there were.
pub(crate) struct RequestIds {
    next: AtomicU64,
    seed: u64,
}

impl RequestIds {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(0), seed }
    }

    /// The client's own id when it is a plain word, else a new one.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(X_REQUEST_ID) {
            Some(own) if is_plain(own.as_bytes()) => RequestId(own.clone()),
            _ => self.make(),
        }
    }

    fn make(&self) -> RequestId {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let mixed = scatter(count ^ self.seed);
        let mut text = *b"req_0000000000000000";
        for (place, digit) in text[4..].iter_mut().zip((0..16).rev()) {
            *place = b"0123456789abcdef"[(mixed >> (4 * digit) & 15) as usize];
        }
        RequestId(HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("req_0")))
    }
}

/// A bijection on 64 bits (the finaliser of `SplitMix64`), so that different counts stay different.
const fn scatter(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_a_plain_one_is_taken_over() {
        let ids = RequestIds::new(42);
        let none = HeaderMap::new();
        let made: std::collections::HashSet<_> =
            (0..1000).map(|_| ids.of(&none).as_str().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        let with =
            |value: &'static str| HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(value))]);
        assert_eq!(ids.of(&with("trace-7.a_b")).as_str(), "trace-7.a_b");
        assert!(ids.of(&with("two words")).as_str().starts_with("req_"));
    }
}
