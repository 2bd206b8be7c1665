//! A problem on its way out (RFC 9457): its text, and the header fields that follow from it.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use keystile_core::Code;
use keystile_wire::{LimitState, Problem};

use crate::rate_fields::{RATE_LIMIT, RATE_LIMIT_POLICY, refusal_fields};
use crate::request_id::RequestId;

/// Without a credential no error code is told (RFC 6750, section 3).
const CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"ApiKey realm="keystile", Bearer realm="keystile""#);
const CHALLENGE_AGAIN: HeaderValue = HeaderValue::from_static(
    r#"ApiKey realm="keystile", error="invalid_token", Bearer realm="keystile", error="invalid_token""#,
);

/// Codes of status 401 that are not about a credential in a header: either none was sent, or it was good.
const SENT_NONE: [&str; 6] = [
    Code::KeyMissing.as_str(),
    "wrong_credentials",
    "second_factor_required",
    "refresh_token_invalid",
    "reset_token_invalid",
    "setup_token_invalid",
];

/// The code of a request that is being carried out already.
pub const IN_PROGRESS: &str = "idempotency_in_progress";

/// A problem without particulars.
pub fn problem(status: StatusCode, code: &str, detail: String, request_id: &RequestId) -> Problem {
    Problem {
        kind: format!("urn:keystile:problem:{code}"),
        title: title(code),
        status: status.as_u16(),
        code: code.to_owned(),
        detail,
        request_id: request_id.as_str().to_owned(),
        errors: Vec::new(),
        current_version: None,
        limited_by: None,
        error: None,
        error_description: None,
    }
}

/// The response, with all that its status and code ask for.
pub fn render(problem: &Problem) -> Response<Vec<u8>> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let sent_none = SENT_NONE.contains(&problem.code.as_str());
    let mut response = Response::new(serde_json::to_vec(problem).unwrap_or_default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(refusing) = &problem.limited_by {
        limit_fields(headers, refusing);
    }
    if let Some(seconds) = retry_after(status, &problem.code, problem.limited_by.as_ref()) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, if sent_none { CHALLENGE } else { CHALLENGE_AGAIN });
    }
    response
}

/// After how many seconds the same may be asked again; `None` where waiting helps nobody.
pub fn retry_after(status: StatusCode, code: &str, limited_by: Option<&LimitState>) -> Option<u64> {
    if status == StatusCode::SERVICE_UNAVAILABLE || code == IN_PROGRESS {
        return Some(1);
    }
    limited_by?.retry_after_seconds
}

/// Says which limit it was.
fn limit_fields(headers: &mut HeaderMap, refusing: &LimitState) {
    if let Some((policy, left)) = refusal_fields(refusing) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
}

/// `key_not_found` → `Key not found`.
fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
