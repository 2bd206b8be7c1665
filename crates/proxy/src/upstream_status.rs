//! What a refusal of an upstream says: whose fault it is, whether another upstream may do better, and whether it has cost something.

use http::StatusCode;
use keystile_core::Secret;
use memchr::{memchr, memmem};
use serde::Deserialize;
use serde_json::Value;

use crate::stats::Trouble;

/// Shortest credential that is looked for in refusals, in bytes. What is shorter opens nothing, such as the `none` of a server of one's
/// own.
const SECRET_FROM: usize = 12;
/// How providers call it that the account has no money left, with statuses that else mean that the request came too soon, or was bad.
const NO_MONEY: [&str; 2] = ["insufficient_quota", "billing_error"];

/// Why another upstream may do better, if it may.
pub(crate) fn trouble(status: StatusCode) -> Option<Trouble> {
    match status.as_u16() {
        429 => Some(Trouble::Limited),
        // Who stands before a provider has waited long enough. 524 is that of Cloudflare.
        504 | 524 => Some(Trouble::Late),
        500.. => Some(Trouble::Failing),
        // A credential, an account or a proxy that does not take it: a client would look for the reason with its own key. A URL that has
        // moved is nothing for it to mend, either.
        401 | 402 | 403 | 407 | 0..=199 | 300..=399 => Some(Trouble::Refused),
        _ => None,
    }
}

/// Whether a refusal tells that nothing was done. Who only did not wait for the provider cannot know that, nor can we.
pub(crate) fn costs_nothing(status: StatusCode) -> bool {
    trouble(status) != Some(Trouble::Late)
}

/// Whether an error says that the account with which the gateway pays has no money left. To a client that would look like its own budget.
pub(crate) fn is_about_account(body: &[u8]) -> bool {
    /// Errors as both protocols tell them, as far as they are of matter. Some who nearly speak one have a number as their code.
    #[derive(Deserialize)]
    struct Refusal {
        error: Cause,
    }
    #[derive(Deserialize)]
    struct Cause {
        #[serde(rename = "type")]
        kind: Option<Value>,
        code: Option<Value>,
    }
    let Ok(Refusal { error: Cause { kind, code } }) = serde_json::from_slice(body) else { return false };
    [kind, code].iter().flatten().filter_map(Value::as_str).any(|name| NO_MONEY.contains(&name))
}

/// Whether an error shows what was sent with the request, as pages for developers do. No client may see that.
pub(crate) fn repeats(body: &[u8], credential: &Secret) -> bool {
    let credential = credential.expose().as_bytes();
    let shows = |body: &[u8], credential: &[u8]| memmem::find(body, credential).is_some();
    credential.len() >= SECRET_FROM
        && (shows(body, credential) || shows(&unescaped(body), &unescaped(credential)))
}

/// The same without what a text in JSON may write in another way: `\/` for `/`, and `\u003d` for `=`.
/// Backslashes themselves are left out, so that it does not matter how often a text was put into another.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'\\', rest) {
        let (before, behind) = rest.split_at(at);
        plain.extend_from_slice(before);
        rest = match letter(behind) {
            Some((letter, behind)) => {
                plain.push(letter);
                behind
            }
            None => behind.get(1..).unwrap_or_default(),
        };
    }
    plain.extend_from_slice(rest);
    plain
}

/// The letter that a text begins with, if that is written as a backslash and its number, and what is behind. Credentials have no others.
fn letter(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, behind) = text.strip_prefix(b"\\u00")?.split_at_checked(2)?;
    let letter = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((letter, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16) -> Option<Trouble> {
        trouble(StatusCode::from_u16(status).unwrap())
    }

    #[test]
    fn another_upstream_is_tried_for_what_it_may_do_better() {
        assert_eq!(of(429), Some(Trouble::Limited));
        assert_eq!([500, 502, 503, 520, 529].map(of), [Some(Trouble::Failing); 5]);
        assert_eq!([200, 400, 404, 408, 409, 413, 422].map(of), [None; 7]);
    }

    #[test]
    fn a_refusal_of_the_gateway_is_none_of_the_client() {
        assert_eq!([401, 402, 403, 407, 301, 304].map(of), [Some(Trouble::Refused); 6]);
    }

    #[test]
    fn who_did_not_wait_for_a_provider_does_not_know_what_it_has_done() {
        let is_free = |status| costs_nothing(StatusCode::from_u16(status).unwrap());
        assert_eq!([504, 524].map(is_free), [false; 2]);
        assert_eq!([400, 401, 408, 429, 500, 502, 503, 529].map(is_free), [true; 8]);
        assert_eq!([504, 524].map(of), [Some(Trouble::Late); 2]);
    }

    #[test]
    fn an_account_without_money_is_told_by_type_or_code() {
        for body in [
            r#"{"error":{"message":"m","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            r#"{"error":{"message":"m","type":"requests","code":"insufficient_quota"}}"#,
            r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#,
            r#"{"error":{"message":"m","type":"insufficient_quota","code":429}}"#,
            r#"{"error":{"message":"m","type":null,"code":"insufficient_quota"}}"#,
        ] {
            assert!(is_about_account(body.as_bytes()), "{body}");
        }
        for body in [
            r#"{"error":{"message":"insufficient_quota","type":"requests","code":"rate_limit_exceeded"}}"#,
            r#"{"error":{"type":"rate_limit_error"}}"#,
            r#"{"error":{"type":["insufficient_quota"],"code":429}}"#,
            r#"{"error":"insufficient_quota"}"#,
            "insufficient_quota",
            "",
        ] {
            assert!(!is_about_account(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn an_error_that_repeats_the_credential_is_noticed() {
        let credential = Secret::new("sk-provider-1");
        assert!(repeats(br#"{"headers":{"authorization":"Bearer sk-provider-1"}}"#, &credential));
        assert!(!repeats(br#"{"error":{"message":"sk-provi*****"}}"#, &credential));
        assert!(!repeats(b"none of these", &Secret::new("none")));
    }

    #[test]
    fn a_credential_is_noticed_however_its_letters_are_written_in_json() {
        let credential = Secret::new("sk/of+the/provider==");
        for body in [
            r#"{"sent":"Bearer sk/of+the/provider=="}"#,
            r#"{"sent":"Bearer sk\/of+the\/provider=="}"#,
            r#"{"sent":"Bearer sk/of\u002Bthe/provider\u003d\u003d"}"#,
            r#"{"raw":"{\"sent\":\"Bearer sk\\/of\\u002bthe\\/provider==\"}"}"#,
        ] {
            assert!(repeats(body.as_bytes(), &credential), "{body}");
        }
        for body in
            [r#"{"sent":"sk\/of the\/provider=="}"#, r"sk/of+the/provider=\u00", r"sk/of+the/provider=\"]
        {
            assert!(!repeats(body.as_bytes(), &credential), "{body}");
        }
        assert!(repeats(br#"{"sent":"a\\b-of-the-provider"}"#, &Secret::new(r"a\b-of-the-provider")));
    }
}
