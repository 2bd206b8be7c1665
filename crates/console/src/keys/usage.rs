//! How a key was used, as its page shows it.

use std::time::Duration;

use keystile_core::usage::Span;
use keystile_core::{Code, KeyId, Timestamp};
use keystile_manage::Caller;
use keystile_wire::UsageView;

use crate::chart::{Chart, Range};
use keystile_web::App;
use keystile_web::api::Answer;

/// What was counted of a key in some time.
pub(super) struct Usage {
    pub(super) range: Range,
    pub(super) chart: Chart,
}

/// What was counted of a key up to this moment, what is only in memory included.
pub(super) async fn usage(
    app: &App,
    caller: &Caller,
    id: KeyId,
    range: Range,
    now: Timestamp,
) -> Answer<Usage> {
    let history = app.control.history(caller, id).await?;
    app.verifier.flush_usage(history.tenant_id(), history.key_id()).await?;
    let from = now.minus(Duration::from_secs(range.seconds));
    let span = Span::within(Some(from), None, range.step, now)?;
    let view = UsageView::new(span, app.control.usage(history, span).await?);
    Ok(Usage { range, chart: Chart::of(&view) })
}

/// The same for the last day, which shows whether anybody would miss the key.
pub(super) async fn lately(app: &App, caller: &Caller, id: KeyId, now: Timestamp) -> Answer<Chart> {
    Ok(usage(app, caller, id, Range::named("24h"), now).await?.chart)
}

/// What a refusal means, in a few words.
pub(crate) fn meaning(code: &str) -> &'static str {
    let Ok(code) = code.parse() else { return "" };
    match code {
        Code::Allowed => "allowed",
        Code::KeyMissing => "no key was sent",
        Code::AmbiguousCredentials => "two keys were sent",
        Code::KeyMalformed => "the text was no key",
        Code::KeyNotFound => "the key is unknown",
        Code::KeyRevoked => "the key is revoked",
        Code::KeyExpired => "the key has expired",
        Code::KeyInactive => "the key is disabled",
        Code::WrongEnvironment => "used in another environment",
        Code::KeyBlocked => "the key is blocked",
        Code::WrongApplication => "used for another application",
        Code::IpNotAllowed => "used from another address",
        Code::WrongCustomer => "used for another customer",
        Code::PermissionDenied => "a permission was missing",
        Code::ModelNotAllowed => "another model was asked for",
        Code::RateLimited => "too many requests",
        Code::TokensLimited => "too many tokens",
        Code::BudgetExhausted => "the budget is used up",
        Code::EnforcementUnavailable => "limits could not be checked",
    }
}
