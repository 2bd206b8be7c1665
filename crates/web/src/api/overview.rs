//! What a tenant has, in figures.

use axum::extract::State;
use http::StatusCode;
use keystile_core::Environment;
use keystile_wire::{OverviewQuery, OverviewView};

use super::ingest::posture;
use super::{Answer, json};
use crate::extract::{Member, Query};
use crate::state::App;

/// Show what the tenant has, what of it needs attention, and how events come into one of its environments.
#[utoipa::path(get, path = "/overview", tag = "tenants", params(("tenant_id" = String, Path), OverviewQuery), responses(
    (status = 200, body = OverviewView, description = "The figures."),
))]
pub(crate) async fn show_overview(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<OverviewQuery>,
) -> Answer {
    let ingest = posture(&app, &caller, query.environment.unwrap_or(Environment::Production)).await?;
    let overview = app.control.overview(&caller).await?;
    Ok(json(StatusCode::OK, &OverviewView::new(&overview, ingest)))
}
