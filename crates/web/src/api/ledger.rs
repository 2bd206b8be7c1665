//! What was charged, correcting it, and what was spent altogether.

use axum::extract::State;
use http::StatusCode;
use keystile_core::LedgerId;
use keystile_manage::{Caller, LedgerQuery, Right, SpendFilter};
use keystile_wire::{
    CorrectCharge, CorrectedView, LedgerListQuery, LedgerView, Listing, Problem, SpendQuery, SpendView,
};

use super::{Answer, json, listing, page_of, sought};
use crate::extract::{Json, Member, PathId, Query};
use crate::problem::ApiProblem;
use crate::state::App;

/// List what was charged, latest first. Rows are added and never changed: a correction is a row of its own.
#[utoipa::path(get, path = "/ledger", tag = "spending", params(("tenant_id" = String, Path), LedgerListQuery), responses(
    (status = 200, body = Listing<LedgerView>, description = "A page of rows."),
))]
pub(crate) async fn list_ledger(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<LedgerListQuery>,
) -> Answer {
    let (page, limit) = page_of::<LedgerId>(query.limit, query.cursor.as_deref())?;
    let LedgerListQuery { key_id, model, kind, from, to, .. } = query;
    let query = LedgerQuery { key_id, model: sought("model", model)?, kind, from, to };
    written(&app, &caller).await?;
    let rows = app.control.ledger(&caller, &query, page).await?;
    Ok(json(StatusCode::OK, &listing(rows, limit, |row| row.id.to_string(), LedgerView::from)))
}

/// Correct what was charged: a row is added for the difference, and what is spent of the budget follows. For admins.
#[utoipa::path(post, path = "/ledger/{ledger_id}/correct", tag = "spending",
    params(("tenant_id" = String, Path), ("ledger_id" = String, Path)), request_body = CorrectCharge, responses(
    (status = 200, body = CorrectedView, description = "The row and its correction."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`is_correction`: the row corrects another one, which can be corrected again."),
))]
pub(crate) async fn correct_charge(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<LedgerId>,
    Json(request): Json<CorrectCharge>,
) -> Answer {
    let (amount, reason) = request.parse().map_err(ApiProblem::invalid)?;
    let corrected = app
        .commit(|app| async move { app.control.correct_charge(&caller, id, amount, reason).await })
        .await?;
    let view = CorrectedView {
        entry: corrected.row.into(),
        amount_usd: corrected.amount.to_dollars(),
        correction: corrected.correction.map(LedgerView::from),
    };
    Ok(json(StatusCode::OK, &view))
}

/// Show what was spent, by key, customer, application, model or day: requests, tokens and money. Of all, or of one key, customer, application,
/// model or environment.
#[utoipa::path(get, path = "/spend", tag = "spending", params(("tenant_id" = String, Path), SpendQuery), responses(
    (status = 200, body = SpendView, description = "The sums, and their sum."),
))]
pub(crate) async fn show_spend(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<SpendQuery>,
) -> Answer {
    let (by, days) = (query.by(), query.days(app.control.present())?);
    let SpendQuery { key_id, customer_id, application_id, model, environment, .. } = query;
    let model = sought("model", model)?;
    let filter = SpendFilter { key_id, customer_id, application_id, model, environment };
    written(&app, &caller).await?;
    let spending = app.control.spend(&caller, by, days, &filter).await?;
    Ok(json(StatusCode::OK, &SpendView::new(by, days, spending)))
}

/// What is only in memory, of whichever server, belongs to what somebody reads who may.
pub async fn written(app: &App, caller: &Caller) -> Answer<()> {
    caller.require(Right::ReadSpend)?;
    app.holds.write_all().await?;
    Ok(())
}
