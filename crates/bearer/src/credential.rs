//! The one credential of a request. Never read from a URL.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_core::Code;

/// What a request presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential<'a> {
    /// An API key, or what claims to be one.
    Key(&'a str),
    /// A bearer token in the form of a JWT.
    Token(&'a str),
}

/// A request that cannot be told one credential from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Two that differ.
    Ambiguous,
    /// One with bytes that no credential has.
    Malformed,
}

impl Unreadable {
    /// What its bearer is told.
    pub const fn code(self) -> Code {
        match self {
            Self::Ambiguous => Code::AmbiguousCredentials,
            Self::Malformed => Code::KeyMalformed,
        }
    }
}

impl<'a> Credential<'a> {
    /// What was presented, whichever it is.
    pub const fn text(self) -> &'a str {
        match self {
            Self::Key(text) | Self::Token(text) => text,
        }
    }
}

/// The headers beside `Authorization` that may carry a key where nothing else is said: `X-API-Key`.
pub fn usual_key_headers() -> Vec<HeaderName> {
    vec![HeaderName::from_static("x-api-key")]
}

/// Reads `Authorization: ApiKey …`, `Authorization: Bearer …` and the key headers. The same credential in two
/// places is one; other schemes are not ours to read.
///
/// # Errors
/// When two differ, or one is no text.
pub fn read_credential<'a>(
    headers: &'a HeaderMap,
    key_headers: &[HeaderName],
) -> Result<Option<Credential<'a>>, Unreadable> {
    let mut found = None;
    for value in headers.get_all(AUTHORIZATION) {
        keep(&mut found, from_authorization(value)?)?;
    }
    for name in key_headers {
        for value in headers.get_all(name) {
            keep(&mut found, Some(Credential::Key(text(value)?.trim())))?;
        }
    }
    Ok(found)
}

fn keep<'a>(found: &mut Option<Credential<'a>>, next: Option<Credential<'a>>) -> Result<(), Unreadable> {
    match (*found, next) {
        (Some(first), Some(second)) if first.text() != second.text() => Err(Unreadable::Ambiguous),
        (None, Some(_)) => {
            *found = next;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn text(value: &HeaderValue) -> Result<&str, Unreadable> {
    value.to_str().map_err(|_| Unreadable::Malformed)
}

fn from_authorization(value: &HeaderValue) -> Result<Option<Credential<'_>>, Unreadable> {
    let Some((scheme, rest)) = text(value)?.trim().split_once(' ') else { return Ok(None) };
    let credential = rest.trim();
    Ok(if scheme.eq_ignore_ascii_case("ApiKey") {
        Some(Credential::Key(credential))
    } else if scheme.eq_ignore_ascii_case("Bearer") {
        Some(if is_jwt(credential) { Credential::Token(credential) } else { Credential::Key(credential) })
    } else {
        None
    })
}

/// A JWT begins with the base64url of `{"` and has two dots; no key of ours does.
pub fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|b| *b == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

    fn of(lines: &[(HeaderName, &'static str)]) -> Result<Option<String>, Unreadable> {
        let headers =
            lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        read_credential(&headers, &[X_API_KEY]).map(|found| found.map(|credential| format!("{credential:?}")))
    }

    #[test]
    fn keys_and_tokens_are_told_apart() {
        assert_eq!(of(&[(AUTHORIZATION, "ApiKey sk_a")]), Ok(Some("Key(\"sk_a\")".into())));
        assert_eq!(of(&[(AUTHORIZATION, "bearer  sk_a ")]), Ok(Some("Key(\"sk_a\")".into())));
        assert_eq!(
            of(&[(AUTHORIZATION, "Bearer eyJh.eyJz.c2ln")]),
            Ok(Some("Token(\"eyJh.eyJz.c2ln\")".into()))
        );
        assert_eq!(of(&[(X_API_KEY, "sk_a")]), Ok(Some("Key(\"sk_a\")".into())));
        assert_eq!(of(&[(AUTHORIZATION, "Basic dXNlcjpwYXNz")]), Ok(None));
        assert_eq!(of(&[]), Ok(None));
    }

    #[test]
    fn two_credentials_are_one_only_if_they_are_the_same() {
        assert_eq!(
            of(&[(AUTHORIZATION, "ApiKey sk_a"), (X_API_KEY, "sk_a")]),
            Ok(Some("Key(\"sk_a\")".into()))
        );
        for other in [(X_API_KEY, "sk_b"), (AUTHORIZATION, "Bearer sk_b")] {
            assert_eq!(of(&[(AUTHORIZATION, "ApiKey sk_a"), other]), Err(Unreadable::Ambiguous));
        }
    }
}
