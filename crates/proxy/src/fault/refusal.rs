//! A refusal of verification, as the bearer of the key is told.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_bearer::Refused;
use keystile_core::rate::Exceeded;
use keystile_core::{BudgetLeft, BudgetPeriod, Code, NanoUsd, Refusal, TokensExceeded};

use super::{Fault, Kind, Retry, shown};
use crate::rate_headers::{Pace, Unit};

/// Without a credential no error code is told (RFC 6750, section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="keystile""#);
const CHALLENGE_AGAIN: HeaderValue =
    HeaderValue::from_static(r#"Bearer realm="keystile", error="invalid_token""#);

/// What clients call a bad key of any sort.
const INVALID_API_KEY: &str = "invalid_api_key";
/// What clients call a limit that is full.
const RATE_LIMIT_EXCEEDED: &str = "rate_limit_exceeded";

impl Fault {
    /// The answer to a request that verification refuses. `model` is what it asked for, if that is known.
    pub fn of_refusal(refusal: &Refusal, model: Option<&str>) -> Self {
        match refusal {
            Refusal::RateLimited(exceeded) => requests_limited(refusal, exceeded),
            Refusal::TokensLimited(exceeded) => tokens_limited(exceeded),
            Refusal::BudgetExhausted(left) => budget_exhausted(left),
            Refusal::Plain(code) => of_code(*code, plain_message(refusal, *code, model)),
            Refusal::PermissionDenied { .. } => {
                of_code(Code::PermissionDenied, Refused::from(refusal).detail())
            }
        }
    }
}

fn plain_message(refusal: &Refusal, code: Code, model: Option<&str>) -> String {
    match (code, model) {
        (Code::ModelNotAllowed, Some(model)) => {
            format!(
                "this API key may not use the model `{}`; GET /v1/models lists those it may",
                shown(model)
            )
        }
        (Code::KeyMissing, _) => {
            "send an API key as `Authorization: Bearer …`, `x-api-key: …` or `api-key: …`".to_owned()
        }
        _ => Refused::from(refusal).detail(),
    }
}

/// What follows from a code alone.
fn of_code(code: Code, message: String) -> Fault {
    let (invalid, permission) = (Kind::InvalidRequest, Kind::Permission);
    match code {
        Code::KeyMissing => unauthorized(CHALLENGE, message),
        Code::KeyMalformed
        | Code::KeyNotFound
        | Code::KeyRevoked
        | Code::KeyExpired
        | Code::KeyInactive
        | Code::WrongEnvironment => unauthorized(CHALLENGE_AGAIN, message),
        Code::AmbiguousCredentials => Fault::new(StatusCode::BAD_REQUEST, invalid, code.as_str(), message),
        Code::KeyBlocked => {
            Fault::new(StatusCode::FORBIDDEN, permission, code.as_str(), message).retry(Retry::Never)
        }
        Code::WrongApplication | Code::IpNotAllowed | Code::WrongCustomer | Code::PermissionDenied => {
            Fault::new(StatusCode::FORBIDDEN, permission, code.as_str(), message)
        }
        Code::ModelNotAllowed => Fault::new(StatusCode::FORBIDDEN, invalid, "model_not_found", message),
        Code::RateLimited => {
            Fault::new(StatusCode::TOO_MANY_REQUESTS, Kind::Requests, RATE_LIMIT_EXCEEDED, message)
        }
        Code::TokensLimited => {
            Fault::new(StatusCode::TOO_MANY_REQUESTS, Kind::Tokens, RATE_LIMIT_EXCEEDED, message)
        }
        Code::BudgetExhausted => quota(message),
        // A yes that refuses contradicts itself.
        Code::EnforcementUnavailable | Code::Allowed => Fault::unavailable(),
    }
}

fn unauthorized(challenge: HeaderValue, message: String) -> Fault {
    let fields = HeaderMap::from_iter([(WWW_AUTHENTICATE, challenge)]);
    Fault::new(StatusCode::UNAUTHORIZED, Kind::InvalidRequest, INVALID_API_KEY, message).with_fields(fields)
}

fn requests_limited(refusal: &Refusal, exceeded: &Exceeded) -> Fault {
    let fault = of_code(Code::RateLimited, Refused::from(refusal).detail());
    let mut fields = HeaderMap::new();
    if let Some(rate) = exceeded.rate() {
        let reset_millis = exceeded.full.wait_millis.unwrap_or_default();
        let pace = Pace { limit: rate.limit(), remaining: exceeded.remaining, reset_millis };
        pace.tell(Unit::Requests, &mut fields);
    }
    let retry = exceeded.full.wait_millis.map_or(Retry::Never, Retry::After);
    fault.retry(retry).with_fields(fields)
}

fn tokens_limited(exceeded: &TokensExceeded) -> Fault {
    let TokensExceeded { limit, used, requested, wait_millis } = *exceeded;
    let Some(wait_millis) = wait_millis else {
        let message = format!(
            "this request may need {requested} tokens, and this API key may use {limit} in a minute: send less, or ask for less output"
        );
        let (status, kind) = (StatusCode::BAD_REQUEST, Kind::InvalidRequest);
        return Fault::new(status, kind, "request_too_large_for_limit", message);
    };
    let message = format!(
        "this API key may use {limit} tokens in a minute: limit {limit}, used {used}, requested {requested}; try again in {} s",
        wait_millis.div_ceil(1_000)
    );
    let mut fields = HeaderMap::new();
    let pace = Pace { limit, remaining: exceeded.remaining(), reset_millis: wait_millis };
    pace.tell(Unit::Tokens, &mut fields);
    of_code(Code::TokensLimited, message).retry(Retry::After(wait_millis)).with_fields(fields)
}

fn budget_exhausted(left: &BudgetLeft) -> Fault {
    let BudgetLeft { max, spent, held, period, ends_at } = *left;
    let span = match period {
        BudgetPeriod::Lifetime => "altogether",
        BudgetPeriod::Day => "a day",
        BudgetPeriod::Week => "a week",
        BudgetPeriod::Month => "a month",
    };
    let again = ends_at.map_or_else(String::new, |at| format!("; it begins anew at {at}"));
    let held = match held {
        NanoUsd::ZERO => String::new(),
        held => format!(" and {held} are held for requests under way"),
    };
    quota(format!(
        "this request may cost more than what is left of the budget of this API key: {max} {span}, of which {spent} are spent{held}{again}"
    ))
}

/// Nothing that passes by itself: clients take 429 for something to be tried again unless they are told.
fn quota(message: String) -> Fault {
    Fault::new(StatusCode::TOO_MANY_REQUESTS, Kind::Quota, "insufficient_quota", message).retry(Retry::Never)
}
