//! What the bearer of a key is told when it may not do what was asked.

use http::StatusCode;
use keystile_core::quota::TPM;
use keystile_core::{Code, Owner, Refusal};
use keystile_wire::{LimitState, Problem, VerifyAnswer};

use crate::problem::problem;
use crate::request_id::RequestId;

/// A refusal, as far as its bearer may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub code: Code,
    /// The permission that is missing, if that is why.
    pub missing_permission: Option<String>,
    /// The limit that is used up, if that is why.
    pub limited_by: Option<Box<LimitState>>,
}

impl From<Code> for Refused {
    fn from(code: Code) -> Self {
        Self { code, missing_permission: None, limited_by: None }
    }
}

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        let code = refusal.code();
        match refusal {
            Refusal::Plain(_) => Self::from(code),
            Refusal::PermissionDenied { missing } => {
                Self { missing_permission: Some(missing.clone()), ..Self::from(code) }
            }
            Refusal::RateLimited(exceeded) => {
                Self { limited_by: LimitState::refusing(exceeded).map(Box::new), ..Self::from(code) }
            }
            Refusal::TokensLimited(exceeded) => {
                Self { limited_by: Some(Box::new(LimitState::of_tokens(exceeded))), ..Self::from(code) }
            }
            Refusal::BudgetExhausted(_) => Self::from(code),
        }
    }
}

impl Refused {
    /// The refusal of which an answer tells; `None` if it is a yes.
    pub fn of(answer: &VerifyAnswer<'_>) -> Option<Self> {
        let code = match (answer.valid, answer.code) {
            (true, Code::Allowed) => return None,
            // An answer that contradicts itself is no yes.
            (false, Code::Allowed) => Code::EnforcementUnavailable,
            (_, code) => code,
        };
        let missing_permission = answer.missing_permission.as_deref().map(str::to_owned);
        Some(Self { code, missing_permission, limited_by: answer.limited_by.clone().map(Box::new) })
    }

    /// The status of the response.
    pub const fn status(&self) -> StatusCode {
        match self.code {
            Code::KeyMissing
            | Code::KeyMalformed
            | Code::KeyNotFound
            | Code::KeyRevoked
            | Code::KeyExpired
            | Code::KeyInactive
            | Code::WrongEnvironment => StatusCode::UNAUTHORIZED,
            Code::AmbiguousCredentials => StatusCode::BAD_REQUEST,
            Code::KeyBlocked
            | Code::WrongApplication
            | Code::IpNotAllowed
            | Code::WrongCustomer
            | Code::PermissionDenied
            | Code::ModelNotAllowed => StatusCode::FORBIDDEN,
            Code::RateLimited | Code::TokensLimited | Code::BudgetExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::EnforcementUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::Allowed => StatusCode::OK,
        }
    }

    /// What happened and what to do about it.
    pub fn detail(&self) -> String {
        match (&self.missing_permission, &self.limited_by) {
            (Some(missing), _) => format!("this API key lacks the permission `{missing}`"),
            (None, Some(refusing)) => limited(refusing),
            (None, None) => plain(self.code).to_owned(),
        }
    }

    /// The problem that tells it.
    pub fn problem(&self, request_id: &RequestId) -> Problem {
        let limited_by = self.limited_by.as_deref().cloned();
        Problem { limited_by, ..problem(self.status(), self.code.as_str(), self.detail(), request_id) }
    }
}

const fn plain(code: Code) -> &'static str {
    match code {
        Code::KeyMissing => {
            "send an API key as `Authorization: ApiKey …`, `Authorization: Bearer …` or `X-API-Key: …`"
        }
        Code::AmbiguousCredentials => "two different credentials were sent; send one",
        Code::KeyMalformed => "this is no API key: it was mistyped, cut or invented; copy it again",
        Code::KeyNotFound => "this API key is not known here",
        Code::KeyRevoked => "this API key was revoked; ask for a new one",
        Code::KeyExpired => "this API key has expired; ask for a new one",
        Code::KeyInactive => "this API key is switched off; ask its owner to enable it",
        Code::WrongEnvironment => "this API key belongs to another environment; use the key of this one",
        Code::KeyBlocked => "this API key is blocked; ask its owner why",
        Code::WrongApplication => "this API key was issued to another application",
        Code::IpNotAllowed => "this API key may not be used from this address",
        Code::WrongCustomer => "this API key is restricted to another customer",
        Code::PermissionDenied => "this API key lacks a permission",
        Code::ModelNotAllowed => "this API key may not use this model",
        Code::RateLimited => "too many requests; try again later",
        Code::TokensLimited => "too many tokens; try again later",
        Code::BudgetExhausted => "the budget of this API key is spent",
        Code::EnforcementUnavailable => "whether this API key is good cannot be checked now; try again",
        Code::Allowed => "allowed",
    }
}

fn limited(refusing: &LimitState) -> String {
    let LimitState { owner, name, limit, window_seconds: window, retry_after_seconds, .. } = refusing;
    let whose = match owner {
        Owner::Key => "this API key".to_owned(),
        Owner::Customer | Owner::Application | Owner::Tenant => {
            format!("all API keys of its {owner} together")
        }
    };
    let again = retry_after_seconds.map_or_else(
        || "it costs more than may ever come at once".to_owned(),
        |seconds| format!("try again in {seconds} s"),
    );
    if name == TPM {
        return format!("{whose} may use {limit} tokens in {window} s; {again}");
    }
    format!("{whose} may make {limit} requests in {window} s (limit `{name}`); {again}")
}
