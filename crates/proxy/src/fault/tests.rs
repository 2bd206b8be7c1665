//! The table of faults, row by row.

use bytes::Bytes;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use keystile_bearer::{RequestId, RequestIds};
use keystile_core::llm::Protocol;
use keystile_core::rate::{Exceeded, Full as FullLimit};
use keystile_core::{
    BudgetLeft, BudgetPeriod, Code, NanoUsd, Owner, Rates, Refusal, Timestamp, TokensExceeded,
};
use serde_json::{Value, json};

use super::*;

fn request_id() -> RequestId {
    RequestIds::new(7).make()
}

fn told(fault: Fault, protocol: Protocol) -> (HeaderMap, Value) {
    let response: Response<Full<Bytes>> = fault.into_response(protocol, &request_id());
    let (parts, body) = response.into_parts();
    (parts.headers, serde_json::from_slice(&body.into_inner().unwrap()).unwrap())
}

fn limited(wait_millis: Option<u64>) -> Refusal {
    let full = FullLimit { place: 0, wait_millis };
    let rates = Rates::new(Some(60), &[]);
    Refusal::RateLimited(Box::new(Exceeded { owner: Owner::Key, rates, full, remaining: 0 }))
}

fn tokens(wait_millis: Option<u64>) -> Refusal {
    Refusal::TokensLimited(Box::new(TokensExceeded { limit: 100, used: 90, requested: 30, wait_millis }))
}

fn budget() -> Refusal {
    Refusal::BudgetExhausted(Box::new(BudgetLeft {
        max: NanoUsd::from_nanos(1_000_000_000),
        spent: NanoUsd::from_nanos(900_000_000),
        held: NanoUsd::from_nanos(99_000_000),
        period: BudgetPeriod::Month,
        ends_at: Some(Timestamp::from_millis(1_769_904_000_000)),
    }))
}

#[test]
fn each_case_has_the_status_type_and_code_that_clients_understand() {
    for (fault, status, kind, code, anthropic) in [
        (of(Code::KeyMissing), 401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (of(Code::KeyMalformed), 401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (of(Code::KeyNotFound), 401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (of(Code::KeyExpired), 401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (of(Code::KeyRevoked), 401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        (of(Code::KeyBlocked), 403, "permission_error", "key_blocked", "permission_error"),
        (of(Code::IpNotAllowed), 403, "permission_error", "ip_not_allowed", "permission_error"),
        (
            of(Code::AmbiguousCredentials),
            400,
            "invalid_request_error",
            "ambiguous_credentials",
            "invalid_request_error",
        ),
        (of(Code::ModelNotAllowed), 403, "invalid_request_error", "model_not_found", "permission_error"),
        (of(Code::EnforcementUnavailable), 503, "server_error", "enforcement_unavailable", "api_error"),
        (of(Code::Allowed), 503, "server_error", "enforcement_unavailable", "api_error"),
        (refused(&limited(Some(9))), 429, "requests", "rate_limit_exceeded", "rate_limit_error"),
        (refused(&tokens(Some(9))), 429, "tokens", "rate_limit_exceeded", "rate_limit_error"),
        (
            refused(&tokens(None)),
            400,
            "invalid_request_error",
            "request_too_large_for_limit",
            "invalid_request_error",
        ),
        (refused(&budget()), 429, "insufficient_quota", "insufficient_quota", "billing_error"),
        (
            Fault::price_unknown("m"),
            400,
            "invalid_request_error",
            "model_price_unknown",
            "invalid_request_error",
        ),
        (Fault::model_not_found("m"), 404, "invalid_request_error", "model_not_found", "not_found_error"),
        (Fault::unknown_route(), 404, "invalid_request_error", "unknown_url", "not_found_error"),
        (Fault::too_large(1), 413, "invalid_request_error", "request_too_large", "request_too_large"),
        (Fault::upstream_unreachable(), 502, "server_error", "upstream_unreachable", "api_error"),
        (Fault::upstream_timeout(), 504, "server_error", "upstream_timeout", "timeout_error"),
    ] {
        assert_eq!((fault.status().as_u16(), fault.code()), (status, code));
        let (_, body) = told(fault.clone(), Protocol::OpenAi);
        assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!(kind), &json!(code)), "{body}");
        assert!(body["error"]["message"].is_string() && body["error"].get("param").is_some(), "{body}");
        let (headers, body) = told(fault, Protocol::Anthropic);
        let error = &body["error"];
        assert_eq!(error["type"], anthropic, "{code}");
        assert_eq!(body, json!({ "type": "error", "error": error, "request_id": request_id().as_str() }));
        assert_eq!(error.as_object().map(serde_json::Map::len), Some(2), "type and message, nothing else");
        assert_eq!(headers["request-id"], request_id().as_str());
        assert_eq!(headers["x-request-id"], request_id().as_str());
    }
}

fn of(code: Code) -> Fault {
    refused(&Refusal::Plain(code))
}

fn refused(refusal: &Refusal) -> Fault {
    Fault::of_refusal(refusal, Some("gpt-4o"))
}

#[test]
fn a_full_limit_says_when_to_come_again() {
    let (headers, body) = told(refused(&limited(Some(1_500))), Protocol::OpenAi);
    assert_eq!((&headers[RETRY_AFTER], &headers["retry-after-ms"]), (&value("2"), &value("1500")));
    assert_eq!(headers["x-ratelimit-limit-requests"], "60");
    assert_eq!(headers["x-ratelimit-remaining-requests"], "0");
    assert_eq!(headers["x-ratelimit-reset-requests"], "1.5s");
    assert!(!headers.contains_key("x-should-retry"), "{body}");
    let (headers, body) = told(refused(&tokens(Some(12_000))), Protocol::OpenAi);
    assert_eq!(headers["x-ratelimit-reset-tokens"], "12s");
    assert_eq!(headers["x-ratelimit-remaining-tokens"], "10");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("limit 100, used 90, requested 30"), "{message}");
}

#[test]
fn clients_are_told_not_to_try_again_what_would_fail_again() {
    for protocol in [Protocol::OpenAi, Protocol::Anthropic] {
        for fault in [refused(&budget()), of(Code::KeyBlocked), Fault::upstream_refused()] {
            let (headers, _) = told(fault, protocol);
            assert_eq!(headers["x-should-retry"], "false");
            assert!(!headers.contains_key(RETRY_AFTER));
        }
    }
    let (headers, _) = told(Fault::upstream_refused().worth_another_try(), Protocol::OpenAi);
    assert!(!headers.contains_key("x-should-retry"), "another upstream may serve it then");
    let (headers, _) = told(Fault::busy().worth_another_try(), Protocol::OpenAi);
    assert_eq!(headers[RETRY_AFTER], "1");
    let long = || refused(&limited(Some(60_001)));
    assert_eq!(told(long(), Protocol::Anthropic).0["x-should-retry"], "false", "its clients would not wait");
    assert!(!told(long(), Protocol::OpenAi).0.contains_key("x-should-retry"));
}

#[test]
fn who_cannot_enforce_says_when_to_come_again() {
    let (headers, _) = told(Fault::unavailable(), Protocol::Anthropic);
    assert_eq!(headers[RETRY_AFTER], "1");
    assert!(!headers.contains_key("x-should-retry"));
}

#[test]
fn every_unauthorized_answer_has_a_challenge() {
    let (headers, _) = told(of(Code::KeyMissing), Protocol::OpenAi);
    assert_eq!(headers[WWW_AUTHENTICATE], r#"Bearer realm="keystile""#);
    let (headers, _) = told(of(Code::KeyRevoked), Protocol::OpenAi);
    assert_eq!(headers[WWW_AUTHENTICATE], r#"Bearer realm="keystile", error="invalid_token""#);
}

#[test]
fn a_spent_budget_is_told_in_money() {
    let (_, body) = told(refused(&budget()), Protocol::OpenAi);
    let message = body["error"]["message"].as_str().unwrap();
    for part in
        ["$1.000000000 a month", "$0.900000000 are spent", "$0.099000000 are held", "2026-02-01T00:00:00"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_fault_in_a_stream_raises_in_clients_of_both() {
    let fault = of(Code::KeyBlocked);
    let frame = fault.as_frame(Protocol::OpenAi);
    let data = crate::sse::data_of(&frame).unwrap();
    let body: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!((&body["type"], &body["code"]), (&json!("error"), &json!("key_blocked")));
    assert_eq!(body["error"]["code"], "key_blocked");
    let frame = fault.as_frame(Protocol::Anthropic);
    assert!(frame.starts_with(b"event: error\ndata: ") && frame.ends_with(b"\n\n"));
    let body: Value = serde_json::from_slice(&crate::sse::data_of(&frame).unwrap()).unwrap();
    let error = json!({ "type": "permission_error", "message": fault.message() });
    assert_eq!(body, json!({ "type": "error", "error": error }));
}

#[test]
fn a_field_is_named_and_what_it_had_is_kept_beside_what_is_added() {
    let added = HeaderMap::from_iter([
        (http::HeaderName::from_static("x-ratelimit-limit-requests"), value("7")),
        (http::HeaderName::from_static("x-other"), value("8")),
    ]);
    let (headers, _) = told(refused(&limited(Some(9))).with_fields(added), Protocol::OpenAi);
    assert_eq!((&headers["x-ratelimit-limit-requests"], &headers["x-other"]), (&value("60"), &value("8")));
    let (_, body) = told(Fault::field("max_tokens", "must be less"), Protocol::OpenAi);
    assert_eq!(body["error"]["param"], "max_tokens");
    let (headers, _) = told(Fault::wrong_method("POST"), Protocol::OpenAi);
    assert_eq!(headers[http::header::ALLOW], "POST");
}

#[test]
fn a_name_from_outside_is_told_without_control_characters_and_not_at_length() {
    let fault = Fault::model_not_found(&format!("a\r\n{}", "b".repeat(500)));
    assert!(!fault.message().contains('\n') && fault.message().len() < 300);
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
