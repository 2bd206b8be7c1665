//! The decision, made into an answer to Envoy.

use http::{HeaderMap, HeaderName, HeaderValue};
use keystile_bearer::{RATE_LIMIT, RATE_LIMIT_POLICY, RequestId, X_REQUEST_ID, is_claim};

use super::messages::{
    Allowed, Answer, AppendAction, CheckResponse, Code, Denied, Header, HeaderOption, HttpStatus, Status,
};
use crate::problem::ApiProblem;

/// The request passes, and the API learns who it is from Keystile alone: what the client sent under such names is replaced
/// or removed. The client learns what is left of its limits.
pub(super) fn allowed(identity: &HeaderMap, sent: &HeaderMap) -> CheckResponse {
    let is_told = |name: &HeaderName| identity.get(name).is_some_and(|value| !value.is_empty());
    let mut answer = Allowed::default();
    for (name, value) in identity {
        if [RATE_LIMIT, RATE_LIMIT_POLICY].contains(name) {
            answer.response_headers_to_add.push(overwrite(name, value));
        } else if is_told(name) {
            answer.headers.push(overwrite(name, value));
        }
    }
    let forged = sent.keys().filter(|name| is_claim(name) && !is_told(name));
    answer.headers_to_remove = forged.map(ToString::to_string).collect();
    CheckResponse { status: Some(Status { code: Code::Ok.into() }), answer: Some(Answer::Allowed(answer)) }
}

/// The request does not pass, and the client gets the problem as if it had asked us.
pub(super) fn denied(problem: ApiProblem, request_id: RequestId) -> CheckResponse {
    let (parts, body) = problem.render(&request_id).into_parts();
    let mut headers: Vec<_> = parts.headers.iter().map(|(name, value)| overwrite(name, value)).collect();
    headers.push(overwrite(&X_REQUEST_ID, &request_id.into_header()));
    let denied = Denied {
        status: Some(HttpStatus { code: parts.status.as_u16().into() }),
        headers,
        body: String::from_utf8(body).unwrap_or_default(),
    };
    CheckResponse {
        status: Some(Status { code: Code::PermissionDenied.into() }),
        answer: Some(Answer::Denied(denied)),
    }
}

fn overwrite(name: &HeaderName, value: &HeaderValue) -> HeaderOption {
    // What we write is ASCII.
    let value = value.to_str().unwrap_or_default().to_owned();
    let header = Header { key: name.to_string(), value, ..Header::default() };
    HeaderOption { header: Some(header), append_action: AppendAction::OverwriteIfExistsOrAdd.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_replaced_or_removed() {
        let line = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let identity = [("x-keystile-key-id", "key_1"), ("x-keystile-customer-id", ""), ("ratelimit", "r")];
        let sent = [
            ("accept", "*/*"),
            ("x-keystile-key-id", "forged"),
            ("x-keystile-customer-id", "forged"),
            ("x_keystile_customer_id", "forged"),
            ("x-keystile-admin", "forged"),
        ];
        let response =
            allowed(&identity.map(line).into_iter().collect(), &sent.map(line).into_iter().collect());
        let Some(Answer::Allowed(mut answer)) = response.answer else { panic!("{response:?}") };
        let named = |headers: &[HeaderOption]| {
            assert!(
                headers.iter().all(|header| header.append_action() == AppendAction::OverwriteIfExistsOrAdd)
            );
            headers.iter().filter_map(|option| Some(option.header.as_ref()?.key.clone())).collect::<Vec<_>>()
        };
        assert_eq!(named(&answer.headers), ["x-keystile-key-id"]);
        assert_eq!(named(&answer.response_headers_to_add), ["ratelimit"]);
        answer.headers_to_remove.sort();
        assert_eq!(
            answer.headers_to_remove,
            ["x-keystile-admin", "x-keystile-customer-id", "x_keystile_customer_id"]
        );
    }
}
