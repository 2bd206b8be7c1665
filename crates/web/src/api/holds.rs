//! What is held for requests under way, and settling it.

use axum::extract::State;
use http::StatusCode;
use keystile_core::HoldId;
use keystile_core::quota::{Actual, Ruling, SettledHold};
use keystile_manage::Caller;
use keystile_wire::{
    HoldListQuery, HoldView, Listing, Problem, SettleHold, SettleHoldByHand, SettledHoldView,
};

use super::asking::Asking;
use super::ledger::written;
use super::{Answer, json, listing, page_of};
use crate::extract::{Json, Member, PathId, Query};
use crate::problem::ApiProblem;
use crate::state::App;

/// Settle what `POST /api/v1/keys/verify` has held for an estimate: what was used is charged, and the rest given back. Takes whoever may verify keys
/// of the tenant. A hold that nobody settles in time is charged in full. Any server of the installation takes it, and whoever says the same again is
/// told the same: repeat a call that was not answered, or with 503.
#[utoipa::path(post, path = "/api/v1/holds/{hold_id}/settle", tag = "verification", params(("hold_id" = String, Path)),
    request_body = SettleHold, responses(
    (status = 200, body = SettledHoldView, description = "What is charged."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`hold_over`: it was settled otherwise, or charged."),
))]
pub(crate) async fn settle_hold(
    State(app): State<App>,
    Asking(asker): Asking,
    PathId(id): PathId<HoldId>,
    Json(request): Json<SettleHold>,
) -> Answer {
    let actual = request.parse()?;
    let actual = Actual { tokens: actual.tokens, cost: actual.cost, ruling: None };
    let settled = app.holds.settle(asker.tenant_id, id, &actual).await?;
    Ok(json(StatusCode::OK, &view(&settled)))
}

/// List holds that are open, latest first. They are those of the gateway, and those that callers were given for their estimates.
#[utoipa::path(get, path = "/holds", tag = "spending", params(("tenant_id" = String, Path), HoldListQuery), responses(
    (status = 200, body = Listing<HoldView>, description = "A page of them."),
))]
pub(crate) async fn list_holds(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<HoldListQuery>,
) -> Answer {
    let (page, limit) = page_of::<HoldId>(query.limit, query.cursor.as_deref())?;
    written(&app, &caller).await?;
    let holds = app.control.open_holds(&caller, query.key_id, page).await?;
    Ok(json(StatusCode::OK, &listing(holds, limit, |hold| hold.id.to_string(), HoldView::from)))
}

/// Settle an open hold by hand, in the place of whoever should have. For admins.
#[utoipa::path(post, path = "/holds/{hold_id}/settle", tag = "spending",
    params(("tenant_id" = String, Path), ("hold_id" = String, Path)), request_body = SettleHoldByHand, responses(
    (status = 200, body = SettledHoldView, description = "What is charged."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`hold_over`: it was settled otherwise, or charged; correct what the ledger says of it."),
))]
pub(crate) async fn settle_hold_by_hand(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<HoldId>,
    Json(request): Json<SettleHoldByHand>,
) -> Answer {
    let settled = settled_by_hand(&app, &caller, id, &request).await?;
    Ok(json(StatusCode::OK, &view(&settled)))
}

/// Settles a hold in another's place.
pub async fn settled_by_hand(
    app: &App,
    caller: &Caller,
    id: HoldId,
    request: &SettleHoldByHand,
) -> Answer<SettledHold> {
    let (actual, reason) = request.parse().map_err(ApiProblem::invalid)?;
    let numbers = (actual.tokens, actual.cost);
    let ruled = app.control.rule_on_hold(caller, id, numbers, reason.as_deref())?;
    let ruling = Ruling { by: ruled.by, reason, audit: Box::new(ruled.audit) };
    let actual = Actual { tokens: actual.tokens, cost: actual.cost, ruling: Some(ruling) };
    let settled = app.holds.settle(caller.tenant_id(), id, &actual).await?;
    // Who did this is in the log before it is told.
    app.verifier.flush_spend().await?;
    Ok(settled)
}

fn view(settled: &SettledHold) -> SettledHoldView {
    SettledHoldView {
        hold_id: settled.id,
        key_id: settled.key_id,
        state: settled.state,
        held_usd: settled.held.to_dollars(),
        charged_usd: settled.charged.to_dollars(),
        tokens_held: settled.tokens_held,
        tokens_used: settled.tokens_used,
    }
}
