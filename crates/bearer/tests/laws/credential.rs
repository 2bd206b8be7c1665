//! What is true of the credential in any headers. The fuzz target searches for bytes that break it; a test replays the seeds.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_bearer::{Credential, Unreadable, read_credential};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANOTHER: &str = "another-credential";

/// Lines of headers: one that begins with `x` is of `X-API-Key`, without the `x`; all others are of `Authorization`.
fn headers<'b>(lines: impl Iterator<Item = &'b [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.strip_prefix(b"x").map_or((AUTHORIZATION, line), |rest| (X_API_KEY, rest));
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}

fn found(headers: &HeaderMap) -> Result<Option<&str>, Unreadable> {
    read_credential(headers, &[X_API_KEY]).map(|found| found.map(Credential::text))
}

/// What is made of them.
pub(crate) fn kind(bytes: &[u8]) -> &'static str {
    match read_credential(&headers(bytes.split(|byte| *byte == b'\n')), &[X_API_KEY]) {
        Ok(Some(Credential::Key(_))) => "key",
        Ok(Some(Credential::Token(_))) => "token",
        Ok(None) => "none",
        Err(Unreadable::Ambiguous) => "ambiguous",
        Err(Unreadable::Malformed) => "malformed",
    }
}

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
    let sent = headers(lines.iter().copied());
    let credential = found(&sent);
    assert_eq!(kind(bytes) == "none", credential == Ok(None));
    if let Ok(Some(text)) = credential {
        assert_eq!(text, text.trim());
        let is_sent = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(text));
        assert!(sent.values().any(is_sent), "nothing is made up");
    }
    let backwards = headers(lines.iter().rev().copied());
    assert_eq!(found(&backwards).ok(), credential.ok(), "the order of lines plays no part");
    let twice = headers(lines.iter().chain(&lines).copied());
    assert_eq!(found(&twice), credential, "the same credential twice is one");
    one_more_differs_or_is_the_one(&sent);
}

fn one_more_differs_or_is_the_one(sent: &HeaderMap) {
    let mut more = sent.clone();
    more.append(X_API_KEY, HeaderValue::from_static(ANOTHER));
    match found(sent) {
        Ok(None) => assert_eq!(found(&more), Ok(Some(ANOTHER))),
        Ok(Some(text)) if text == ANOTHER => assert_eq!(found(&more), Ok(Some(ANOTHER))),
        Ok(Some(_)) => assert_eq!(found(&more), Err(Unreadable::Ambiguous)),
        Err(why) => assert_eq!(found(&more), Err(why)),
    }
}
