//! Why a key may or may not: each check, for people.

use keystile_core::quota::{BudgetLeft, TOKEN_WINDOW_SECONDS, TokensExceeded};
use keystile_core::{Ask, Check, Checked, Code, Finding, KeyFacts, Refusal, Requirement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{LimitState, schema};

/// One check of an explained decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckView {
    /// What was looked at.
    #[schema(schema_with = schema::check)]
    pub check: Check,
    /// What came of it.
    pub result: CheckResult,
    /// With `failed`: the code that the decision would have if nothing before it failed.
    #[schema(schema_with = schema::code)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// With `failed`: what is wrong, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// Nothing speaks against the key.
    Passed,
    /// The question does not name what this looks at, or the key has nothing to look at.
    NotAsked,
    /// The key is refused.
    Failed,
}

impl CheckResult {
    /// The text form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::NotAsked => "not_asked",
            Self::Failed => "failed",
        }
    }
}

impl CheckView {
    /// What came of a check of a key, if there is one, to which this was asked.
    pub fn of(checked: &Checked, key: Option<&KeyFacts>, ask: &Ask<'_>) -> Self {
        let (check, refusal) = (checked.check, checked.refusal());
        let result = match checked.finding {
            Finding::Passed => CheckResult::Passed,
            Finding::NotAsked => CheckResult::NotAsked,
            Finding::Failed(_) => CheckResult::Failed,
        };
        let detail = refusal.map(|refusal| detail(refusal, key, ask));
        Self { check, result, code: refusal.map(Refusal::code), detail }
    }
}

fn detail(refusal: &Refusal, key: Option<&KeyFacts>, ask: &Ask<'_>) -> String {
    match (refusal, key) {
        (Refusal::RateLimited(exceeded), _) => {
            LimitState::refusing(exceeded).map_or_else(String::new, |limit| full(&limit))
        }
        (Refusal::TokensLimited(exceeded), _) => few_tokens(exceeded),
        (Refusal::BudgetExhausted(left), _) => little_money(left),
        (Refusal::PermissionDenied { .. }, Some(key)) => lacking(ask.permissions, key),
        (Refusal::PermissionDenied { missing }, None) => format!("it lacks `{missing}`"),
        (Refusal::Plain(code), Some(key)) => of_key(*code, key, ask),
        (Refusal::Plain(code), None) => plain(*code).to_owned(),
    }
}

fn full(limit: &LimitState) -> String {
    let LimitState { owner, name, limit, window_seconds, retry_after_seconds, .. } = limit;
    let again = retry_after_seconds.map_or_else(
        || "it costs more than may ever come at once".to_owned(),
        |seconds| format!("it fits again in {seconds} s"),
    );
    format!("limit `{name}` of the {owner}, {limit} in {window_seconds} s, is used up; {again}")
}

fn few_tokens(exceeded: &TokensExceeded) -> String {
    let TokensExceeded { limit, used, requested, .. } = exceeded;
    let again = exceeded.retry_after_seconds().map_or_else(
        || "it needs more than the whole limit".to_owned(),
        |seconds| format!("it fits again in {seconds} s"),
    );
    format!("{requested} tokens are asked for, and {used} of {limit} in {TOKEN_WINDOW_SECONDS} s are used; {again}")
}

fn little_money(left: &BudgetLeft) -> String {
    let BudgetLeft { max, spent, held, period, .. } = left;
    format!("of {max} ({period}) {spent} is spent and {held} is held")
}

/// Every permission that is missing, not only the one that the decision names.
fn lacking(needed: Requirement<'_>, key: &KeyFacts) -> String {
    let missing = needed.missing(&key.scopes);
    match missing.as_slice() {
        [] => "no permission would be enough".to_owned(),
        missing => format!("it lacks `{}`", missing.join("`, `")),
    }
}

fn of_key(code: Code, key: &KeyFacts, ask: &Ask<'_>) -> String {
    match code {
        Code::KeyExpired => key.expires_at.map(|end| format!("it expired at {end}")),
        Code::WrongEnvironment => Some(format!("it belongs to `{}`", key.environment)),
        Code::WrongApplication => Some(format!("it was issued to `{}`", key.application_id)),
        Code::WrongCustomer => key.customer_id.map(|own| format!("it is restricted to `{own}`")),
        Code::IpNotAllowed => Some(match ask.ip {
            Some(ip) => format!("{ip} is none of its addresses"),
            None => "it lists addresses, and `ip` was not named".to_owned(),
        }),
        Code::KeyMissing
        | Code::AmbiguousCredentials
        | Code::KeyMalformed
        | Code::KeyNotFound
        | Code::KeyRevoked
        | Code::KeyInactive
        | Code::KeyBlocked
        | Code::PermissionDenied
        | Code::ModelNotAllowed
        | Code::RateLimited
        | Code::TokensLimited
        | Code::BudgetExhausted
        | Code::EnforcementUnavailable
        | Code::Allowed => None,
    }
    .unwrap_or_else(|| plain(code).to_owned())
}

const fn plain(code: Code) -> &'static str {
    match code {
        Code::KeyMalformed => "it was mistyped, cut or invented",
        Code::KeyNotFound => "no key of this tenant has this text",
        Code::KeyRevoked => "it was revoked",
        Code::KeyExpired => "its time is over",
        Code::KeyInactive => "it is switched off",
        Code::WrongEnvironment => "it belongs to another environment",
        Code::KeyBlocked => "it is blocked",
        Code::WrongApplication => "it was issued to another application",
        Code::IpNotAllowed => "not from this address",
        Code::WrongCustomer => "it is restricted to another customer",
        Code::PermissionDenied => "it lacks a permission",
        Code::ModelNotAllowed => "it may not use this model",
        Code::RateLimited => "a limit is used up",
        Code::TokensLimited => "no tokens are left",
        Code::BudgetExhausted => "its budget is spent",
        Code::EnforcementUnavailable => "whether there is such a key cannot be read now",
        Code::KeyMissing | Code::AmbiguousCredentials | Code::Allowed => "",
    }
}
