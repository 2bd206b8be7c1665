//! The one place where refusals become problems (RFC 9457).

use std::num::NonZeroU32;

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use keystile_bearer::{IN_PROGRESS, Refused, RequestId, Unreadable};
use keystile_core::{Code, Invalid, Refusal};
use keystile_engine::{NotKept, NotSettled};
use keystile_manage::{self as manage, Conflict, TokenRefused};
use keystile_verify::SourceUnavailable;
use keystile_wire::{BrokenQuestion, FieldProblem, LimitState, Problem};

use crate::field_name::tellable;
use crate::service::{MAX_HEAD, MAX_LINES};

const SECRET_EXISTS: &str = "secret_exists";
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// A hold was settled, or charged because nobody did so in time.
const HOLD_OVER: &str = "hold_over";
/// A request that may be repeated was carried out, and nobody can say any more what came of it.
pub const ANSWER_LOST: &str = "idempotency_answer_lost";
/// So much is being done already that this must come back later.
pub(crate) const BUSY: &str = "busy";
const INTERNAL: &str = "internal";
const SESSION_ENDED: &str = "session_ended";
const SECOND_FACTOR_REQUIRED: &str = "second_factor_required";
/// A token that cannot be revoked by itself (RFC 7009, section 2.2.1).
pub(crate) const UNSUPPORTED_TOKEN_TYPE: &str = "unsupported_token_type";

/// The scheme that software which knows OAuth 2.0 tries first, offered where a key is taken so (RFC 6749, section 5.2; RFC 7617).
const BASIC: HeaderValue = HeaderValue::from_static(r#"Basic realm="keystile", charset="UTF-8""#);

/// A refusal on its way out; `render` gives it the request's id and makes it a response.
#[derive(Debug, Clone)]
pub struct ApiProblem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    current_version: Option<i64>,
    limited_by: Option<Box<LimitState>>,
    /// The code that OAuth 2.0 has for it, where that is told.
    oauth: Option<&'static str>,
    /// So many seconds pass before the same is looked at again.
    pause: Option<NonZeroU32>,
}

impl ApiProblem {
    /// A refusal with this status; `code` is for programs, `detail` for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            current_version: None,
            limited_by: None,
            oauth: None,
            pause: None,
        }
    }

    /// The same, told to software that knows OAuth 2.0, too.
    pub(crate) fn in_oauth_words(self) -> Self {
        let oauth = match self.status {
            _ if self.code == UNSUPPORTED_TOKEN_TYPE => UNSUPPORTED_TOKEN_TYPE,
            StatusCode::UNAUTHORIZED => "invalid_client",
            StatusCode::FORBIDDEN => "insufficient_scope",
            status if status.is_server_error() => "temporarily_unavailable",
            _ => "invalid_request",
        };
        Self { oauth: Some(oauth), ..self }
    }

    /// A request whose values break rules.
    pub fn invalid(broken: impl IntoIterator<Item = Invalid>) -> Self {
        let as_problem = |invalid: Invalid| FieldProblem {
            field: tellable(&invalid.field).into_owned(),
            message: invalid.rule.into(),
        };
        let errors: Vec<_> = broken.into_iter().map(as_problem).collect();
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self { errors, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail) }
    }

    /// The same, of one question among many; the fields are found below `place`.
    pub(crate) fn of_question(self, place: &str) -> BrokenQuestion {
        let below = |mut error: FieldProblem| {
            let dot = if error.field.is_empty() || error.field.starts_with('[') { "" } else { "." };
            error.field = format!("{place}{dot}{}", error.field);
            error
        };
        BrokenQuestion {
            valid: false,
            code: self.code.to_owned(),
            detail: self.detail,
            errors: self.errors.into_iter().map(below).collect(),
        }
    }

    /// A request that breaks no rule, but for what was before it.
    pub(crate) fn conflict(code: &'static str, broken: Invalid) -> Self {
        Self { status: StatusCode::CONFLICT, code, ..Self::invalid([broken]) }
    }

    /// There is no such thing, or it is not the caller's to see.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// The store is away.
    fn unavailable() -> Self {
        let detail = "the store cannot do this now; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// What was logged last cannot be written now.
    pub(crate) fn log_unwritten() -> Self {
        Self::unavailable()
    }

    /// More or longer header lines than a request may have.
    pub(crate) fn head_too_long() -> Self {
        let rule =
            format!("a request has at most {MAX_LINES} header lines and {MAX_HEAD} bytes before its body");
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_long", rule)
    }

    /// The decision about a key that this tells, if it tells one.
    pub(crate) fn decision_code(&self) -> Option<Code> {
        self.code.parse().ok()
    }

    /// Our own fault, whose cause was logged.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL, "this is our fault and was logged")
    }

    /// One word for programs.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, in a sentence.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong with each field.
    pub fn errors(&self) -> &[FieldProblem] {
        &self.errors
    }

    /// Whether signing in is what helps.
    pub fn is_session_over(&self) -> bool {
        self.code == SESSION_ENDED
    }

    /// Whether the tenant cannot be entered without a second factor.
    pub fn wants_second_factor(&self) -> bool {
        self.code == SECOND_FACTOR_REQUIRED
    }

    /// The status that it is told with.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// After how many seconds the same may be asked again, if that may help.
    pub fn retry_after(&self) -> Option<u64> {
        let pause = self.pause.map(|seconds| seconds.get().into());
        pause.or_else(|| keystile_bearer::retry_after(self.status, self.code, self.limited_by.as_deref()))
    }

    /// Whether the same was sent before, so that sending it anew could do it twice.
    pub fn was_sent_before(&self) -> bool {
        [IN_PROGRESS, ANSWER_LOST].contains(&self.code)
    }

    /// Whether what was asked for may have happened all the same.
    pub fn leaves_doubt(&self) -> bool {
        [OUTCOME_UNKNOWN, INTERNAL].contains(&self.code)
    }

    /// No credential where one is needed.
    pub(crate) fn unauthenticated() -> Self {
        Self::refused(Refused::from(Code::KeyMissing))
    }

    /// What the bearer of a key is told.
    pub(crate) fn decision(refusal: &Refusal) -> Self {
        Self::refused(Refused::from(refusal))
    }

    /// What whoever sent no readable credential is told.
    pub(crate) fn unreadable(unreadable: Unreadable) -> Self {
        Self::refused(Refused::from(unreadable.code()))
    }

    fn refused(refused: Refused) -> Self {
        let told = Self::new(refused.status(), refused.code.as_str(), refused.detail());
        Self { limited_by: refused.limited_by, ..told }
    }

    /// The response, with the id that finds the request in the logs.
    pub(crate) fn render(self, request_id: &RequestId) -> http::Response<Vec<u8>> {
        let takes_basic = self.oauth.is_some() && self.status == StatusCode::UNAUTHORIZED;
        let pause = self.pause;
        let mut response = keystile_bearer::render(&Problem {
            error: self.oauth.map(str::to_owned),
            error_description: self.oauth.map(|_| description(&self.detail)),
            errors: self.errors,
            current_version: self.current_version,
            limited_by: self.limited_by.map(|limit| *limit),
            ..keystile_bearer::problem(self.status, self.code, self.detail, request_id)
        });
        if takes_basic {
            response.headers_mut().append(WWW_AUTHENTICATE, BASIC);
        }
        if let Some(seconds) = pause {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.get()));
        }
        response
    }
}

/// What RFC 6749, section 5.2, lets stand in a description.
fn description(detail: &str) -> String {
    let allowed = |letter| match letter {
        ' '..='~' if letter != '"' && letter != '\\' => letter,
        '…' => '.',
        _ => '\'',
    };
    detail.chars().map(allowed).collect()
}

/// The problem travels beside an empty response until the service knows the request's id.
impl IntoResponse for ApiProblem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for ApiProblem {
    fn from(broken: Invalid) -> Self {
        Self::invalid([broken])
    }
}

impl From<manage::Refused> for ApiProblem {
    fn from(refused: manage::Refused) -> Self {
        let detail = refused.to_string();
        match refused {
            manage::Refused::Invalid(broken) => Self::invalid(broken),
            manage::Refused::NotFound(what) => Self::not_found(what),
            manage::Refused::WrongCredentials => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", detail)
            }
            manage::Refused::SecondFactorMissing => {
                Self::new(StatusCode::UNAUTHORIZED, SECOND_FACTOR_REQUIRED, detail)
            }
            manage::Refused::SecondFactorRequired => {
                Self::new(StatusCode::FORBIDDEN, SECOND_FACTOR_REQUIRED, detail)
            }
            manage::Refused::RefreshToken => {
                Self::new(StatusCode::UNAUTHORIZED, "refresh_token_invalid", detail)
            }
            manage::Refused::ResetToken => Self::new(StatusCode::UNAUTHORIZED, "reset_token_invalid", detail),
            manage::Refused::SetupToken => Self::new(StatusCode::UNAUTHORIZED, "setup_token_invalid", detail),
            manage::Refused::SetupPaused { seconds } => Self {
                pause: NonZeroU32::new(u32::try_from(seconds).unwrap_or(u32::MAX)),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, "setup_paused", detail)
            },
            manage::Refused::SetUpAlready => Self::new(StatusCode::GONE, "set_up_already", detail),
            manage::Refused::SessionEnded => {
                Self::new(StatusCode::UNAUTHORIZED, SESSION_ENDED, format!("{detail}; sign in again"))
            }
            manage::Refused::Key(refusal) => Self::decision(&refusal),
            manage::Refused::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            manage::Refused::Conflict(conflict) => {
                Self::new(StatusCode::CONFLICT, conflict_code(conflict), detail)
            }
            manage::Refused::HashesTaken(taken) => {
                Self { status: StatusCode::CONFLICT, code: SECRET_EXISTS, ..Self::invalid(taken) }
            }
            manage::Refused::VersionConflict { current } => Self {
                current_version: Some(current),
                ..Self::new(
                    StatusCode::CONFLICT,
                    "version_conflict",
                    format!("{detail}; read it again and repeat the change"),
                )
            },
            manage::Refused::LogElsewhere(_) => {
                Self::new(StatusCode::CONFLICT, "request_log_elsewhere", detail)
            }
            manage::Refused::IdempotencyKeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
            }
            manage::Refused::Store(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store does not answer");
                Self::unavailable()
            }
            manage::Refused::InDoubt { source, .. } => {
                tracing::error!(error = &source as &dyn std::error::Error, "a change is in doubt");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    OUTCOME_UNKNOWN,
                    "the store was lost while it saved this; read what is there before you try again",
                )
            }
            manage::Refused::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, detail),
            manage::Refused::TooManyJobs => Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", detail),
            manage::Refused::Internal(cause) => {
                tracing::error!(cause, "a request failed");
                Self::internal()
            }
        }
    }
}

/// Its cause was logged by whoever writes events.
impl From<NotKept> for ApiProblem {
    fn from(why: NotKept) -> Self {
        let code = match why {
            NotKept::Busy => BUSY,
            NotKept::Unavailable => return Self::unavailable(),
            NotKept::Unknown => OUTCOME_UNKNOWN,
            NotKept::Failed => return Self::internal(),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, why.to_string())
    }
}

/// Why a hold was not settled.
impl From<NotSettled> for ApiProblem {
    fn from(why: NotSettled) -> Self {
        match why {
            NotSettled::Unknown => Self::not_found("hold"),
            NotSettled::Over => {
                let rule =
                    "names a hold that was settled otherwise, or charged because nobody settled it in time";
                Self::conflict(HOLD_OVER, Invalid::new("hold_id", rule))
            }
            NotSettled::Unavailable(cause) => {
                if let Some(error) = cause {
                    tracing::error!(error = &error as &dyn std::error::Error, "a hold cannot be looked for");
                }
                let detail = "the server that has this hold cannot be reached now; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
            }
            NotSettled::InDoubt => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                OUTCOME_UNKNOWN,
                "whether this hold is settled is not known now; say the same again, which charges it once",
            ),
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
        Conflict::ApplicationName | Conflict::ProviderName | Conflict::ModelName => "name_taken",
        Conflict::Email => "email_taken",
        Conflict::SecondFactor => "second_factor_exists",
        Conflict::KeyRevoked => "key_revoked",
        Conflict::KeyExpired => "key_expired",
        Conflict::AlreadyRotated(_) => "already_rotated",
        Conflict::JobKeysDiffer(_) => "job_keys_differ",
        Conflict::JobOver => "job_over",
        Conflict::JobNotFailed => "job_not_failed",
        Conflict::JobSecrets => "job_secrets",
        Conflict::JobResultTooLarge => "job_result_too_large",
        Conflict::IdempotencyInProgress => IN_PROGRESS,
        Conflict::IdempotencyAnswerLost => ANSWER_LOST,
        Conflict::ApplicationArchived => "application_archived",
        Conflict::CatalogueFull => "catalogue_full",
        Conflict::TooManyTenants => "too_many_tenants",
        Conflict::IsCorrection => "is_correction",
        Conflict::TooManyWebhooks => "too_many_webhooks",
        Conflict::TooManyProviders => "too_many_providers",
        Conflict::ProviderHasModels => "provider_has_models",
        Conflict::TooManyModels => "too_many_models",
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
