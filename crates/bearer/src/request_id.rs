//! A name for every request, in its answer and in the logs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that carries it, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How our own secrets begin: keys, tokens to refresh and to reset, invitations, and tokens in the form of a JWT.
const SECRET_PREFIXES: [&str; 5] = ["sk_", "rt_", "pr_", "ksinv_", "eyJ"];
/// Longest id that is taken over from the client or a gateway.
const MAX_LENGTH: usize = 64;

/// The id of one request: visible ASCII of at most 64 characters.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id, for [`X_REQUEST_ID`].
    pub fn into_header(self) -> HeaderValue {
        self.0
    }
}

/// Makes ids that differ from those of other processes and do not tell how many there were.
pub struct RequestIds {
    next: AtomicU64,
    seed: u64,
}

impl RequestIds {
    /// `seed` is a random number that makes these ids differ from those of others.
    pub const fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(0), seed }
    }

    /// The client's own id when it is a plain word and no secret, else a new one.
    pub fn of(&self, headers: &HeaderMap, key_headers: &[HeaderName]) -> RequestId {
        match headers.get(X_REQUEST_ID) {
            Some(own) if is_plain(own) && !is_credential(own, headers, key_headers) => RequestId(own.clone()),
            _ => self.make(),
        }
    }

    /// A new one.
    pub fn make(&self) -> RequestId {
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

fn is_plain(id: &HeaderValue) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=MAX_LENGTH).contains(&id.len()) && id.to_str().is_ok_and(|id| id.bytes().all(is_plain))
}

/// Whether a text is, or has in it, something that begins as our secrets do.
pub fn has_secret_form(text: &str) -> bool {
    let begins = |at: usize| at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
    SECRET_PREFIXES.iter().any(|prefix| text.match_indices(prefix).any(|(at, _)| begins(at)))
}

/// Whether the id is, or has in it, a credential: one in the form of ours, or the one that came with it, of whatever form.
/// Ids are echoed and logged.
fn is_credential(id: &HeaderValue, headers: &HeaderMap, key_headers: &[HeaderName]) -> bool {
    let id = id.to_str().unwrap_or_default();
    let names = [AUTHORIZATION];
    let mut sent = names.iter().chain(key_headers).flat_map(|name| headers.get_all(name));
    has_secret_form(id)
        || sent.any(|value| value.as_bytes().windows(id.len()).any(|part| part == id.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_a_plain_one_is_taken_over() {
        let ids = RequestIds::new(42);
        let none = HeaderMap::new();
        let made: std::collections::HashSet<_> =
            (0..1000).map(|_| ids.of(&none, &[]).as_str().to_owned()).collect();
        assert_eq!(made.len(), 1000);
        let of = |lines: &[(HeaderName, &'static str)]| {
            let line =
                |(name, value): &(HeaderName, &'static str)| (name.clone(), HeaderValue::from_static(value));
            ids.of(&lines.iter().map(line).collect(), &[X_API_KEY]).as_str().to_owned()
        };
        for own in ["trace-7.a_b", "task_7", "0af7651916cd43dd8448eb211c80319c", "part_2"] {
            assert_eq!(of(&[(X_REQUEST_ID, own), (X_API_KEY, "another")]), own);
        }
        for secret in [
            "two words",
            "",
            "sk_ks_live_x",
            "a.sk_ks_live_x",
            "rt_0123",
            "ksinv_0123",
            "eyJhbGci.e30.c2ln",
            "a/b",
        ] {
            assert!(of(&[(X_REQUEST_ID, secret)]).starts_with("req_"), "{secret}");
        }
        let brought = "c41f8a07d93be6525af0917d";
        assert_eq!(of(&[(X_REQUEST_ID, brought)]), brought, "nobody can tell");
        assert!(of(&[(X_REQUEST_ID, brought), (X_API_KEY, brought)]).starts_with("req_"));
        let bearer = (AUTHORIZATION, "Bearer c41f8a07d93be6525af0917d");
        assert!(of(&[(X_REQUEST_ID, brought), bearer]).starts_with("req_"));
    }

    const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
}
