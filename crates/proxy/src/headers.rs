//! Which header fields pass: of a request to an upstream, and of its answer to the client. Everything that is not named here stays
//! where it is, credentials and what belongs to one connection first of all.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING,
    CONTENT_TYPE, InvalidHeaderValue, RETRY_AFTER, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_core::llm::Protocol;
use keystile_core::{Digest, Secret};
use memchr::memmem;

/// The upstream's own name of a request, under which its provider finds it.
pub(crate) const X_UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
/// That the answer is shorter than the client asked for, or than it may expect: the cap that was sent instead.
pub(crate) const X_OUTPUT_CLAMPED: HeaderName = HeaderName::from_static("x-keystile-output-clamped");

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// What is said of a client that does not say it, which Anthropic's API demands.
const USUAL_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");
/// Answers are read for their usage, and therefore wanted as they are.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const OURS: HeaderValue = HeaderValue::from_static(concat!("Keystile/", env!("CARGO_PKG_VERSION")));

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Of a request.
static SENT: [HeaderName; 4] =
    [HeaderName::from_static("openai-beta"), ANTHROPIC_VERSION, ANTHROPIC_BETA, IDEMPOTENCY_KEY];
/// Fields of a request of OpenAI's clients: three of these, the host, the credential and the content type.
const SENT_AS_A_RULE: usize = 6;

/// Of an answer.
static ANSWERED: [HeaderName; 8] = [
    CONTENT_TYPE,
    CONTENT_DISPOSITION,
    CACHE_CONTROL,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

/// Fields of an answer to a client: some of these, the limits of its key, and names of the request.
const ANSWERED_AS_A_RULE: usize = 12;

/// How names of fields begin that tell of an upstream's limits.
const LIMITS: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// Names under which upstreams tell their own name of a request.
static REQUEST_IDS: [HeaderName; 2] =
    [HeaderName::from_static("x-request-id"), HeaderName::from_static("request-id")];

/// Fields of a client's request, made with this key, that pass to an upstream. The credential is added for each.
pub(crate) fn of_client(asked: &HeaderMap, protocol: Protocol, key: &Digest) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(SENT_AS_A_RULE);
    for name in &SENT {
        for value in asked.get_all(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    own_repeats(&mut kept, key);
    if let Some(accepted) = asked.get(ACCEPT) {
        kept.insert(ACCEPT, accepted.clone());
    }
    match protocol {
        Protocol::OpenAi => {}
        Protocol::Anthropic => {
            kept.entry(ANTHROPIC_VERSION).or_insert(USUAL_VERSION);
        }
    }
    kept.insert(ACCEPT_ENCODING, IDENTITY);
    kept.insert(USER_AGENT, OURS);
    kept
}

/// Gives a request of a client that it repeats another name for each key: under one credential of the provider, the name that one client
/// gave must not lead another to the answer.
fn own_repeats(sent: &mut HeaderMap, key: &Digest) {
    let Some(name) = sent.get(IDEMPOTENCY_KEY) else { return };
    let own = Digest::of(&[key.to_hex().as_bytes(), name.as_bytes()].concat()).to_hex();
    match HeaderValue::try_from(own) {
        Ok(own) => sent.insert(IDEMPOTENCY_KEY, own),
        Err(_) => sent.remove(IDEMPOTENCY_KEY),
    };
}

/// Whether a client asks for the longer window of Anthropic's models, `context-1m-…`, whose tokens cost more.
pub(crate) fn asks_long_window(asked: &HeaderMap) -> bool {
    let betas = asked.get_all(ANTHROPIC_BETA);
    betas.iter().any(|beta| memmem::find(beta.as_bytes(), b"context-1m").is_some())
}

/// The provider's credential, where its protocol has it. It is marked as one, so that no log of the client shows it.
pub(crate) fn credential(
    protocol: Protocol,
    secret: &Secret,
) -> Result<(HeaderName, HeaderValue), InvalidHeaderValue> {
    let (name, value) = match protocol {
        Protocol::OpenAi => (AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", secret.expose()))),
        Protocol::Anthropic => (X_API_KEY, HeaderValue::from_str(secret.expose())),
    };
    let mut value = value?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Whether an answer is packed, though that was not asked for, so that neither we nor the client could read it.
pub(crate) fn is_packed(answered: &HeaderMap) -> bool {
    let is_plain = |encoding: &[u8]| encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity");
    answered.get_all(CONTENT_ENCODING).iter().any(|encoding| !is_plain(encoding.as_bytes()))
}

/// Fields of an upstream's answer that pass to the client.
pub(crate) fn of_upstream(answered: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(ANSWERED_AS_A_RULE);
    for (name, value) in answered {
        let is_limit = LIMITS.iter().any(|beginning| name.as_str().starts_with(beginning));
        if is_limit || ANSWERED.contains(name) {
            kept.append(name.clone(), value.clone());
        }
    }
    let id = REQUEST_IDS.iter().find_map(|name| answered.get(name));
    if let Some(id) = id {
        kept.insert(X_UPSTREAM_REQUEST_ID, id.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nothing_passes_to_an_upstream_but_what_is_known_to_be_harmless() {
        let asked = map(&[
            ("authorization", "Bearer sk_client"),
            ("x-api-key", "sk_client"),
            ("api-key", "sk_client"),
            ("cookie", "a=b"),
            ("connection", "x-custom"),
            ("x-custom", "1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("host", "keystile.example"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-keystile-key-id", "key_1"),
            ("openai-organization", "org-other"),
            ("openai-project", "proj-other"),
            ("accept-encoding", "gzip"),
            ("user-agent", "OpenAI/Python 2.0"),
            ("content-length", "17"),
            ("openai-beta", "assistants=v2"),
            ("idempotency-key", "once"),
        ]);
        let kept = of_client(&asked, Protocol::OpenAi, &Digest::of(b"key"));
        assert_eq!(names(&kept), ["accept-encoding", "idempotency-key", "openai-beta", "user-agent"]);
        assert_eq!(kept[ACCEPT_ENCODING], "identity", "whatever the client takes");
        assert!(kept[USER_AGENT].to_str().unwrap().starts_with("Keystile/"));
    }

    #[test]
    fn anthropic_is_told_a_version_in_any_case() {
        let key = Digest::of(b"key");
        let version = |asked| of_client(&asked, Protocol::Anthropic, &key)[ANTHROPIC_VERSION].clone();
        assert_eq!(version(HeaderMap::new()), USUAL_VERSION);
        assert_eq!(version(map(&[("anthropic-version", "2024-01-01")])), "2024-01-01");
    }

    #[test]
    fn a_request_that_is_repeated_has_another_name_for_each_key() {
        let sent = |key: &[u8], name| {
            let asked = map(&[("idempotency-key", name)]);
            of_client(&asked, Protocol::OpenAi, &Digest::of(key))[IDEMPOTENCY_KEY].clone()
        };
        assert_eq!(sent(b"a", "once"), sent(b"a", "once"));
        assert_ne!(sent(b"a", "once"), sent(b"b", "once"));
        assert_ne!(sent(b"a", "once"), sent(b"a", "twice"));
        assert_ne!(sent(b"a", "once"), "once");
    }

    #[test]
    fn a_longer_window_is_asked_for_by_a_beta() {
        let asks = |betas| asks_long_window(&map(&[("anthropic-beta", betas)]));
        assert!(asks("context-1m-2025-08-07") && asks("a,context-1m-2025-08-07"));
        assert!(!asks("interleaved-thinking-2025-05-14") && !asks_long_window(&HeaderMap::new()));
    }

    #[test]
    fn a_credential_stands_where_its_protocol_has_it_and_cannot_print() {
        let secret = Secret::new("sk-provider");
        let (name, value) = credential(Protocol::OpenAi, &secret).unwrap();
        assert_eq!((name, value.to_str().unwrap()), (AUTHORIZATION, "Bearer sk-provider"));
        assert_eq!(format!("{value:?}"), "Sensitive");
        let (name, value) = credential(Protocol::Anthropic, &secret).unwrap();
        assert_eq!((name, value.to_str().unwrap()), (X_API_KEY, "sk-provider"));
    }

    #[test]
    fn an_answer_that_is_packed_is_told_by_its_encoding() {
        let is = |encoding| is_packed(&map(&[("content-encoding", encoding)]));
        assert_eq!(["gzip", "br", "identity, gzip"].map(is), [true; 3]);
        assert!(!is("Identity") && !is("") && !is_packed(&HeaderMap::new()));
    }

    #[test]
    fn an_answer_keeps_limits_and_retries_and_names_the_request_of_the_upstream() {
        let answered = map(&[
            ("content-type", "application/json"),
            ("content-length", "17"),
            ("content-encoding", "identity"),
            ("set-cookie", "__cf_bm=1"),
            ("openai-organization", "org-ours"),
            ("x-request-id", "req_upstream"),
            ("retry-after", "3"),
            ("x-ratelimit-remaining-tokens", "10"),
            ("connection", "keep-alive"),
            ("x-keystile-key-id", "key_forged"),
            ("server", "cloudflare"),
        ]);
        let kept = of_upstream(&answered);
        let expected =
            ["content-type", "retry-after", "x-ratelimit-remaining-tokens", "x-upstream-request-id"];
        assert_eq!(names(&kept), expected);
        let anthropic = map(&[("request-id", "req_011"), ("anthropic-ratelimit-tokens-limit", "9")]);
        let kept = of_upstream(&anthropic);
        assert_eq!(names(&kept), ["anthropic-ratelimit-tokens-limit", "x-upstream-request-id"]);
    }
}
