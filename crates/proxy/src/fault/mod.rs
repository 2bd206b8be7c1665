//! What goes wrong, in the words that the official SDKs understand.
//!
//! The shape of a fault follows the route and not the upstream. Which statuses, types, codes and fields there are is a table in
//! `docs/llm-costs.md`; this file is that table.

mod refusal;
mod render;
mod wrong_kind;

use std::fmt;

use http::{HeaderMap, StatusCode};

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct Fault(Box<Particulars>);

#[derive(Debug, Clone)]
struct Particulars {
    status: StatusCode,
    kind: Kind,
    code: &'static str,
    /// The field that broke a rule.
    param: Option<String>,
    message: String,
    retry: Retry,
    /// Fields that belong to it, beside those that follow from the rest.
    fields: HeaderMap,
}

/// The `type` of an error, of which clients make classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InvalidRequest,
    Permission,
    Requests,
    Tokens,
    Quota,
    Server,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    /// As the client's library thinks best for the status.
    Unsaid,
    /// It would be answered alike.
    Never,
    /// After so many milliseconds.
    After(u64),
}

/// How long to wait where the reason is ours and passes by itself.
const SOON_MILLIS: u64 = 1_000;

impl Fault {
    fn new(status: StatusCode, kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        let (retry, fields) = (Retry::Unsaid, HeaderMap::new());
        Self(Box::new(Particulars {
            status,
            kind,
            code,
            param: None,
            message: message.into(),
            retry,
            fields,
        }))
    }

    fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// The request as a whole cannot be read.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Kind::InvalidRequest, "invalid_request", message)
    }

    /// A field of the request broke a rule.
    pub fn field(name: &str, rule: &str) -> Self {
        let mut fault = Self::new(
            StatusCode::BAD_REQUEST,
            Kind::InvalidRequest,
            "invalid_value",
            format!("`{name}` {rule}"),
        );
        fault.0.param = Some(name.to_owned());
        fault
    }

    /// A field asks for what nobody can bound before it is sent, and the key is bounded.
    pub fn unbounded(name: &str, why: &str) -> Self {
        let mut fault = Self::field(name, &format!("{why}; this API key has a limit that could not be kept"));
        fault.0.code = "unbounded_request";
        fault
    }

    /// Nothing serves a model of this name.
    pub fn model_not_found(model: &str) -> Self {
        let mut fault = Self::new(
            StatusCode::NOT_FOUND,
            Kind::InvalidRequest,
            "model_not_found",
            format!("there is no model `{}` here; GET /v1/models lists those of this API key", shown(model)),
        );
        fault.0.param = Some("model".to_owned());
        fault
    }

    /// The key has a budget, and what the model costs is not known.
    pub fn price_unknown(model: &str) -> Self {
        let mut fault = Self::new(
            StatusCode::BAD_REQUEST,
            Kind::InvalidRequest,
            "model_price_unknown",
            format!(
                "what `{}` costs is not known, and this API key has a budget; ask whoever runs this gateway to set its price",
                shown(model)
            ),
        );
        fault.0.param = Some("model".to_owned());
        fault
    }

    /// Nothing is served under this path.
    pub fn unknown_route() -> Self {
        let message = "this gateway does not serve this path";
        Self::new(StatusCode::NOT_FOUND, Kind::InvalidRequest, "unknown_url", message)
    }

    /// The path is asked for by another method: `allow`.
    pub fn wrong_method(allow: &'static str) -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let message = format!("this path is asked for by {allow}");
        let mut fault = Self::new(status, Kind::InvalidRequest, "method_not_allowed", message);
        fault.0.fields.insert(http::header::ALLOW, http::HeaderValue::from_static(allow));
        fault
    }

    /// The body is larger than what is read.
    pub fn too_large(most_bytes: u64) -> Self {
        let message = format!("the body must be of at most {most_bytes} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Kind::InvalidRequest, "request_too_large", message)
    }

    /// Whether the key is good, or what it has left, cannot be known now.
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Kind::Server,
            "enforcement_unavailable",
            "the limits of this API key cannot be checked now; try again",
        )
        .retry(Retry::After(SOON_MILLIS))
    }

    /// The gateway has too much to do.
    pub fn busy() -> Self {
        let message = "this gateway has too much to do now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Server, "busy", message)
            .retry(Retry::After(SOON_MILLIS))
    }

    /// No upstream could be connected to.
    pub fn upstream_unreachable() -> Self {
        let message = "the provider of this model cannot be reached; try again";
        Self::new(StatusCode::BAD_GATEWAY, Kind::Server, "upstream_unreachable", message)
    }

    /// An upstream did not answer in time.
    pub fn upstream_timeout() -> Self {
        let message = "the provider of this model did not answer in time";
        Self::new(StatusCode::GATEWAY_TIMEOUT, Kind::Server, "upstream_timeout", message)
    }

    /// An upstream refused the gateway itself: its credential, its account, or its address. That is not the client's to mend, and must
    /// not look as if its own key were bad, or its own budget spent.
    pub fn upstream_refused() -> Self {
        let message = "the provider of this model refuses the credential or the account of this gateway, not your key; ask whoever runs the gateway";
        Self::new(StatusCode::BAD_GATEWAY, Kind::Server, "upstream_refused", message).retry(Retry::Never)
    }

    /// The same where another upstream may serve the request the next time, so that it would not be answered alike.
    pub(crate) fn worth_another_try(self) -> Self {
        if self.0.retry == Retry::Never { self.retry(Retry::Unsaid) } else { self }
    }

    /// An upstream began to answer and broke off.
    pub fn upstream_broke_off() -> Self {
        let message = "the provider of this model broke off its answer";
        Self::new(StatusCode::BAD_GATEWAY, Kind::Server, "upstream_broke_off", message)
    }

    /// Something that cannot happen has happened here.
    pub(crate) fn internal() -> Self {
        let message = "something went wrong in this gateway";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Kind::Server, "internal_error", message)
    }

    /// The same with further header fields, such as those of limits; what it has itself stays.
    #[must_use]
    pub fn with_fields(mut self, fields: HeaderMap) -> Self {
        let own = std::mem::replace(&mut self.0.fields, fields);
        self.0.fields.extend(own);
        self
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code: one of a table, for clients, logs and metrics.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What happened and what to do about it.
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for Fault {}

/// As much of a name from outside as is told again.
fn shown(name: &str) -> String {
    name.chars().filter(|letter| !letter.is_control()).take(128).collect()
}

#[cfg(test)]
mod tests;
