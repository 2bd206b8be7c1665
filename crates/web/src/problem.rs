//! The one place where refusals become responses (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_core::rate::Exceeded;
use keystile_core::{Code, Invalid, Owner, Refusal};
use keystile_manage::{Conflict, Refused, TokenRefused};
use keystile_verify::SourceUnavailable;
use keystile_wire::{FieldProblem, LimitState, Problem};

use crate::rate_fields::{RATE_LIMIT, RATE_LIMIT_POLICY, refusal_fields};
use crate::request_id::RequestId;
use crate::service::{MAX_HEAD, MAX_LINES};

/// Without a credential no error code is told (RFC 6750, section 3).
const CHALLENGE: HeaderValue =
    HeaderValue::from_static(r#"ApiKey realm="keystile", Bearer realm="keystile""#);
const CHALLENGE_AGAIN: HeaderValue = HeaderValue::from_static(
    r#"ApiKey realm="keystile", error="invalid_token", Bearer realm="keystile", error="invalid_token""#,
);

const IN_PROGRESS: &str = "idempotency_in_progress";
const SECRET_EXISTS: &str = "secret_exists";
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// So much is being done already that this must come back later.
pub(crate) const BUSY: &str = "busy";
const INTERNAL: &str = "internal";

/// A refusal on its way out; [`ApiProblem::render`] gives it the request's id and makes it a response.
#[derive(Debug, Clone)]
pub(crate) struct ApiProblem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    current_version: Option<i64>,
    exceeded: Option<Box<Exceeded>>,
}

impl ApiProblem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            current_version: None,
            exceeded: None,
        }
    }

    /// A request whose values break rules.
    pub(crate) fn invalid(broken: impl IntoIterator<Item = Invalid>) -> Self {
        let as_problem =
            |invalid: Invalid| FieldProblem { field: invalid.field.into(), message: invalid.rule.into() };
        let errors: Vec<_> = broken.into_iter().map(as_problem).collect();
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail) }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// The store is away.
    fn unavailable() -> Self {
        let detail = "the store cannot do this now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// More or longer header lines than a request may have.
    pub(crate) fn head_too_long() -> Self {
        let rule =
            format!("a request has at most {MAX_LINES} header lines and {MAX_HEAD} bytes before its body");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_long", rule)
    }

    /// Whether what was asked for may have happened all the same.
    pub(crate) fn leaves_doubt(&self) -> bool {
        [OUTCOME_UNKNOWN, INTERNAL].contains(&self.code)
    }

    /// No credential where one is needed.
    pub(crate) fn unauthenticated() -> Self {
        Self::decision(&Refusal::Plain(Code::KeyMissing))
    }

    /// What the bearer of a key is told.
    pub(crate) fn decision(refusal: &Refusal) -> Self {
        let (status, detail) = bearer_sees(refusal);
        let exceeded = match refusal {
            Refusal::RateLimited(exceeded) => Some(exceeded.clone()),
            Refusal::Plain(_) | Refusal::PermissionDenied { .. } => None,
        };
        Self { exceeded, ..Self::new(status, refusal.code().as_str(), detail) }
    }

    /// The response, with the id that finds the request in the logs.
    pub(crate) fn render(self, request_id: &RequestId) -> http::Response<Vec<u8>> {
        let missing = self.code == Code::KeyMissing.as_str();
        let again_soon = self.status == StatusCode::SERVICE_UNAVAILABLE || self.code == IN_PROGRESS;
        let problem = Problem {
            kind: format!("urn:keystile:problem:{}", self.code),
            title: title(self.code),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail,
            request_id: request_id.as_str().to_owned(),
            errors: self.errors,
            current_version: self.current_version,
            limited_by: self.exceeded.as_deref().and_then(LimitState::refusing),
        };
        let mut response = http::Response::new(serde_json::to_vec(&problem).unwrap_or_default());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(exceeded) = &self.exceeded {
            limit_fields(headers, exceeded);
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, if missing { CHALLENGE } else { CHALLENGE_AGAIN });
            }
            _ if again_soon => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// Says which limit it was and when to come back.
fn limit_fields(headers: &mut HeaderMap, exceeded: &Exceeded) {
    if let Some((policy, left)) = refusal_fields(exceeded) {
        headers.insert(RATE_LIMIT_POLICY, policy);
        headers.insert(RATE_LIMIT, left);
    }
    if let Some(seconds) = exceeded.retry_after_seconds() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The problem travels beside an empty response until the service knows the request's id.
impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// `key_not_found` → `Key not found`.
fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn bearer_sees(refusal: &Refusal) -> (StatusCode, String) {
    const SIGN_IN: StatusCode = StatusCode::UNAUTHORIZED;
    const NOT_YOU: StatusCode = StatusCode::FORBIDDEN;
    const LATER: StatusCode = StatusCode::TOO_MANY_REQUESTS;
    let (status, detail) = match refusal.code() {
        Code::KeyMissing => (
            SIGN_IN,
            "send an API key as `Authorization: ApiKey …`, `Authorization: Bearer …` or `X-API-Key: …`",
        ),
        Code::AmbiguousCredentials => {
            (StatusCode::BAD_REQUEST, "two different credentials were sent; send one")
        }
        Code::KeyMalformed => {
            (SIGN_IN, "this is no API key: it was mistyped, cut or invented; copy it again")
        }
        Code::KeyNotFound => (SIGN_IN, "this API key is not known here"),
        Code::KeyRevoked => (SIGN_IN, "this API key was revoked; ask for a new one"),
        Code::KeyExpired => (SIGN_IN, "this API key has expired; ask for a new one"),
        Code::KeyInactive => (SIGN_IN, "this API key is switched off; ask its owner to enable it"),
        Code::WrongEnvironment => {
            (SIGN_IN, "this API key belongs to another environment; use the key of this one")
        }
        Code::KeyBlocked => (NOT_YOU, "this API key is blocked; ask its owner why"),
        Code::WrongApplication => (NOT_YOU, "this API key was issued to another application"),
        Code::IpNotAllowed => (NOT_YOU, "this API key may not be used from this address"),
        Code::WrongCustomer => (NOT_YOU, "this API key is restricted to another customer"),
        Code::PermissionDenied => (NOT_YOU, "this API key lacks a permission"),
        Code::ModelNotAllowed => (NOT_YOU, "this API key may not use this model"),
        Code::RateLimited => (LATER, "too many requests; try again later"),
        Code::TokensLimited => (LATER, "too many tokens; try again later"),
        Code::BudgetExhausted => (LATER, "the budget of this API key is spent"),
        Code::EnforcementUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "whether this API key is good cannot be checked now; try again")
        }
        Code::Allowed => (StatusCode::OK, "allowed"),
    };
    match refusal {
        Refusal::PermissionDenied { missing } => {
            (status, format!("this API key lacks the permission `{missing}`"))
        }
        Refusal::RateLimited(exceeded) => (status, limited(exceeded)),
        Refusal::Plain(_) => (status, detail.to_owned()),
    }
}

fn limited(exceeded: &Exceeded) -> String {
    let Some(rate) = exceeded.rate() else { return "too many requests".to_owned() };
    let whose = match exceeded.owner {
        Owner::Key => "this API key".to_owned(),
        owner @ (Owner::Customer | Owner::Application | Owner::Tenant) => {
            format!("all API keys of its {owner} together")
        }
    };
    let (name, limit, window) = (rate.name(), rate.limit(), rate.window_seconds());
    let again = exceeded.retry_after_seconds().map_or_else(
        || format!("it costs more than the {} that may come at once", rate.burst()),
        |seconds| format!("try again in {seconds} s"),
    );
    format!("{whose} may make {limit} requests in {window} s (limit `{name}`); {again}")
}

impl From<Invalid> for ApiProblem {
    fn from(broken: Invalid) -> Self {
        Self::invalid([broken])
    }
}

impl From<Refused> for ApiProblem {
    fn from(refused: Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            Refused::Invalid(broken) => Self::invalid(broken),
            Refused::NotFound(what) => Self::not_found(what),
            Refused::WrongCredentials => Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail),
            Refused::SecondFactorMissing => {
                Self::new(StatusCode::UNAUTHORIZED, "second_factor_required", detail)
            }
            Refused::SecondFactorRequired => {
                Self::new(StatusCode::FORBIDDEN, "second_factor_required", detail)
            }
            Refused::RefreshToken => Self::new(StatusCode::UNAUTHORIZED, "refresh_token_invalid", detail),
            Refused::ResetToken => Self::new(StatusCode::UNAUTHORIZED, "reset_token_invalid", detail),
            Refused::SessionEnded => {
                Self::new(StatusCode::UNAUTHORIZED, "session_ended", format!("{detail}; sign in again"))
            }
            Refused::Key(refusal) => Self::decision(&refusal),
            Refused::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            Refused::Conflict(conflict) => Self::new(StatusCode::CONFLICT, conflict_code(conflict), detail),
            Refused::HashesTaken(taken) => {
                Self { status: StatusCode::CONFLICT, code: SECRET_EXISTS, ..Self::invalid(taken) }
            }
            Refused::VersionConflict { current } => Self {
                current_version: Some(current),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "version_conflict",
                    format!("{detail}; read it again and repeat the change"),
                )
            },
            Refused::IdempotencyKeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            Refused::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store does not answer");
                Self::unavailable()
            }
            Refused::InDoubt { source, .. } => {
                tracing::error!(error = &source as &dyn std::error::Error, "a change is in doubt");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    OUTCOME_UNKNOWN,
                    "the store was lost while it saved this; read what is there before you try again",
                )
            }
            Refused::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, detail),
            Refused::Internal(cause) => {
                tracing::error!(cause, "a request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "this is our fault and was logged")
            }
        }
    }
}

/// Its cause was logged by the source.
impl From<SourceUnavailable> for ApiProblem {
    fn from(_: SourceUnavailable) -> Self {
        Self::unavailable()
    }
}

const fn conflict_code(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::SecretExists => SECRET_EXISTS,
        Conflict::ApplicationName | Conflict::Email => "name_taken",
        Conflict::SecondFactor => "second_factor_exists",
        Conflict::KeyRevoked => "key_revoked",
        Conflict::KeyExpired => "key_expired",
        Conflict::AlreadyRotated(_) => "already_rotated",
        Conflict::IdempotencyInProgress => IN_PROGRESS,
        Conflict::IdempotencyAnswerLost => "idempotency_answer_lost",
        Conflict::ApplicationArchived => "application_archived",
        Conflict::CatalogueFull => "catalogue_full",
        Conflict::ExternalId => "external_id_taken",
        Conflict::LastOwner => "last_owner",
        Conflict::MemberAlready => "already_member",
        Conflict::InvitedAlready => "already_invited",
    }
}

impl From<TokenRefused> for ApiProblem {
    fn from(refused: TokenRefused) -> Self {
        let code = match refused {
            TokenRefused::Invalid => "token_invalid",
            TokenRefused::Expired => "token_expired",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, refused.to_string())
    }
}
