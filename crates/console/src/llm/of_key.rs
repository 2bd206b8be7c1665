//! What the page of a key tells that is for language models, or has a budget.

use http::HeaderMap;
use keystile_core::{ApiKey, KeyKind};
use keystile_manage::Caller;
use keystile_verify::TokenRoom;

use super::budget::{Budget, room};
use super::snippet;
use crate::keys::server;
use keystile_web::App;
use keystile_web::api::Answer;

/// What it has left, what it may use, and how.
pub(crate) struct OfKey {
    pub(crate) budget: Option<Budget>,
    pub(crate) tokens: Option<TokenRoom>,
    /// Lines to paste; none for a key that the gateway does not take.
    pub(crate) calls: Option<Calls>,
}

/// The gateway called, in two ways.
pub(crate) struct Calls {
    pub(crate) curl: String,
    pub(crate) python: String,
}

/// That of a key; nothing of one that has nothing to do with tokens and money.
pub(crate) async fn of_key(
    app: &App,
    caller: &Caller,
    key: &ApiKey,
    headers: &HeaderMap,
) -> Answer<Option<OfKey>> {
    let is_llm = matches!(key.kind, KeyKind::VirtualLlm { .. });
    if !is_llm && key.limits.tpm.is_none() && key.limits.max_budget.is_none() {
        return Ok(None);
    }
    let room = room(app, key).await;
    let calls = if is_llm {
        let (server, model) = (server(headers), snippet::model_for(app, caller, key).await?);
        Some(Calls { curl: snippet::curl(&server, &model), python: snippet::python(&server, &model) })
    } else {
        None
    };
    let budget = Budget::of(key, &room, app.control.present());
    Ok(Some(OfKey { budget, tokens: room.tokens, calls }))
}
