//! A fault as a response, and as the last event of a stream.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use keystile_bearer::{RequestId, X_REQUEST_ID};
use keystile_core::llm::Protocol;
use serde_json::{Value, json};

use super::{Fault, Kind, Particulars, Retry};

const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Where Anthropic's clients look for the id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
/// Anthropic's clients wait for no longer than a minute; told of more, they try again at once, and in vain.
const ANTHROPIC_PATIENCE_MILLIS: u64 = 60_000;

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request_error",
            Self::Permission => "permission_error",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Quota => "insufficient_quota",
            Self::Server => "server_error",
        }
    }
}

impl Fault {
    /// The response: body and header fields in the shape of the protocol.
    pub fn into_response(self, protocol: Protocol, request_id: &RequestId) -> Response<Full<Bytes>> {
        let body = match protocol {
            Protocol::OpenAi => json!({ "error": self.0.openai() }),
            Protocol::Anthropic => {
                json!({ "type": "error", "error": self.0.anthropic(), "request_id": request_id.as_str() })
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = self.0.status;
        let mut fields = self.0.fields.clone();
        self.0.tell_retry(protocol, &mut fields);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_REQUEST_ID, request_id.clone().into_header());
        if protocol == Protocol::Anthropic {
            fields.insert(REQUEST_ID, request_id.clone().into_header());
        }
        *response.headers_mut() = fields;
        response
    }

    /// The last event of a stream that began well. Clients of OpenAI's two APIs raise an error for a member `error`; the others are those
    /// of the event `error` of the second API, so that one frame serves both.
    pub fn as_frame(&self, protocol: Protocol) -> Bytes {
        let body = match protocol {
            Protocol::OpenAi => json!({
                "type": "error",
                "code": self.0.code,
                "message": self.0.message,
                "param": self.0.param,
                "sequence_number": 0,
                "error": self.0.openai(),
            }),
            Protocol::Anthropic => json!({ "type": "error", "error": self.0.anthropic() }),
        };
        Bytes::from(format!("event: error\ndata: {body}\n\n"))
    }
}

impl Particulars {
    fn openai(&self) -> Value {
        json!({
            "message": self.message,
            "type": self.kind.as_str(),
            "param": self.param,
            "code": self.code,
        })
    }

    fn anthropic(&self) -> Value {
        json!({ "type": self.anthropic_type(), "message": self.message })
    }

    /// Their types follow from the status, but for that of money.
    fn anthropic_type(&self) -> &'static str {
        match (self.kind, self.status) {
            (Kind::Quota, _) => "billing_error",
            (_, StatusCode::UNAUTHORIZED) => "authentication_error",
            (_, StatusCode::FORBIDDEN) => "permission_error",
            (_, StatusCode::NOT_FOUND) => "not_found_error",
            (_, StatusCode::PAYLOAD_TOO_LARGE) => "request_too_large",
            (_, StatusCode::TOO_MANY_REQUESTS) => "rate_limit_error",
            (_, StatusCode::GATEWAY_TIMEOUT) => "timeout_error",
            (_, status) if status.is_client_error() => "invalid_request_error",
            _ => "api_error",
        }
    }

    fn tell_retry(&self, protocol: Protocol, fields: &mut HeaderMap) {
        let never = HeaderValue::from_static("false");
        match self.retry {
            Retry::Unsaid => {}
            Retry::Never => {
                fields.insert(X_SHOULD_RETRY, never);
            }
            Retry::After(millis) => {
                fields.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
                fields.insert(RETRY_AFTER_MS, HeaderValue::from(millis));
                if protocol == Protocol::Anthropic && millis > ANTHROPIC_PATIENCE_MILLIS {
                    fields.insert(X_SHOULD_RETRY, never);
                }
            }
        }
    }
}
