//! Errors as providers tell them.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::Body;
use crate::routes::Shape;

/// An error that is answered instead of anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) retry_after: Option<u64>,
    pub(crate) has_no_money: bool,
    pub(crate) is_packed: bool,
}

/// What an answer says of itself that is packed.
pub(crate) const GZIP: HeaderValue = HeaderValue::from_static("gzip");

impl Fault {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after: None, has_no_money: false, is_packed: false }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn into_response(self, shape: Shape, request_id: &str) -> Response<Body> {
        let body = match shape {
            Shape::OpenAi if self.has_no_money => {
                let code = "insufficient_quota";
                json!({ "error": { "message": self.message, "type": code, "param": null, "code": code } })
            }
            Shape::OpenAi => open_ai(self.status, &self.message),
            Shape::Anthropic => {
                let kind = if self.has_no_money { "billing_error" } else { anthropic_type(self.status) };
                let error = json!({ "type": kind, "message": self.message });
                json!({ "type": "error", "error": error, "request_id": request_id })
            }
        };
        let mut response = Response::new(Body::of(body.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.is_packed {
            headers.insert(CONTENT_ENCODING, GZIP);
        }
        response
    }
}

/// An error in the middle of a stream.
pub(crate) fn frame(shape: Shape) -> String {
    match shape {
        Shape::OpenAi => {
            format!("data: {}\n\n", open_ai(StatusCode::INTERNAL_SERVER_ERROR, "The mock broke off."))
        }
        Shape::Anthropic => {
            let error = json!({ "type": "overloaded_error", "message": "The mock broke off." });
            format!("event: error\ndata: {}\n\n", json!({ "type": "error", "error": error }))
        }
    }
}

fn open_ai(status: StatusCode, message: &str) -> Value {
    let (kind, code) = match status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
