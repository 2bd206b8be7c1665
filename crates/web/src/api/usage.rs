//! How keys are used, each and all together.

use axum::extract::State;
use http::StatusCode;
use keystile_core::KeyId;
use keystile_manage::{Caller, Right};
use keystile_wire::{TenantUsageQuery, UsageQuery, UsageView};

use super::{Answer, json};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// Show how often an API key was allowed and refused, step by step; also of one that is deleted. Counts are kept for 90 days.
#[utoipa::path(get, path = "/api-keys/{api_key_id}/usage", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), UsageQuery), responses(
    (status = 200, body = UsageView, description = "A point for each step."),
))]
pub(crate) async fn show_key_usage(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    Query(query): Query<UsageQuery>,
) -> Answer {
    let history = app.control.history(&caller, id).await?;
    let span = query.span(app.control.present())?;
    // What is only in memory belongs to the answer.
    app.verifier.flush_usage(history.tenant_id(), history.key_id()).await?;
    let sums = app.control.usage(history, span).await?;
    Ok(json(StatusCode::OK, &UsageView::new(span, sums)))
}

/// Show how often all API keys of the tenant were allowed and refused, step by step; also deleted ones. Counts are kept for 90 days.
#[utoipa::path(get, path = "/usage", tag = "tenants", params(("tenant_id" = String, Path), TenantUsageQuery), responses(
    (status = 200, body = UsageView, description = "A point for each step."),
))]
pub(crate) async fn show_usage(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<TenantUsageQuery>,
) -> Answer {
    Ok(json(StatusCode::OK, &of_tenant(&app, &caller, &query).await?))
}

/// What the keys of the caller's tenant were asked, up to the present; where more keys are in use than one write takes, up to a few
/// seconds before.
pub async fn of_tenant(app: &App, caller: &Caller, query: &TenantUsageQuery) -> Answer<UsageView> {
    caller.require(Right::ReadTenant)?;
    let span = query.span(app.control.present())?;
    app.verifier.flush_few().await?;
    let sums = app.control.tenant_usage(caller, query.environment, span).await?;
    Ok(UsageView::new(span, sums))
}
