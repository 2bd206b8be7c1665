//! What a tenant has, in figures.

use axum::extract::State;
use http::StatusCode;
use keystile_wire::OverviewView;

use super::{Answer, json};
use crate::extract::Member;
use crate::state::App;

/// Show what the tenant has, and what of it needs attention.
#[utoipa::path(get, path = "/overview", tag = "tenants", params(("tenant_id" = String, Path)), responses(
    (status = 200, body = OverviewView, description = "The figures."),
))]
pub(crate) async fn show_overview(State(app): State<App>, Member(caller): Member) -> Answer {
    let overview = app.control.overview(&caller).await?;
    Ok(json(StatusCode::OK, &OverviewView::from(overview.as_ref())))
}
