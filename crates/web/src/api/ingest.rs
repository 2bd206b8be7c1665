//! How events come in: who sends them, and how many.

use axum::extract::State;
use http::StatusCode;
use keystile_core::Environment;
use keystile_core::event::{IngestPosture, Source};
use keystile_manage::{Caller, Refused, Right};
use keystile_wire::{IngestQuery, IngestView, Listing, SourceListQuery, SourceView};

use super::{Answer, json, listing, page_size};
use crate::extract::{Member, Query};
use crate::state::App;

/// List the sources that have sent events into an environment, by their ids: when each was last heard, with which key, and how
/// many events it has sent lately.
#[utoipa::path(get, path = "/sources", tag = "events", params(("tenant_id" = String, Path), SourceListQuery), responses(
    (status = 200, body = Listing<SourceView>, description = "A page of them."),
))]
pub(crate) async fn list_sources(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<SourceListQuery>,
) -> Answer {
    let now = app.control.present();
    let sources = sources(&app, &caller, &query).await?;
    let Listing { data, next_cursor } = sources;
    let data = data.into_iter().map(|source| SourceView::at(now, source)).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor }))
}

/// Show how many events came into an environment and what became of them, step by step. Counts are kept for 90 days.
#[utoipa::path(get, path = "/ingest", tag = "events", params(("tenant_id" = String, Path), IngestQuery), responses(
    (status = 200, body = IngestView, description = "A point for each step."),
))]
pub(crate) async fn show_ingest(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<IngestQuery>,
) -> Answer {
    Ok(json(StatusCode::OK, &counted(&app, &caller, &query).await?))
}

/// How events come into an environment of the caller's tenant.
pub async fn posture(app: &App, caller: &Caller, environment: Environment) -> Answer<IngestPosture> {
    caller.require(Right::ReadTenant)?;
    write_refused(app).await?;
    app.verifier.flush_few().await?;
    Ok(app.control.ingest_posture(caller, environment).await?)
}

/// A page of the sources of the caller's tenant.
pub async fn sources(app: &App, caller: &Caller, query: &SourceListQuery) -> Answer<Listing<Source>> {
    let (after, limit) = (query.after()?, page_size(query.limit)?);
    caller.require(Right::ReadEvents)?;
    write_refused(app).await?;
    let environment = query.environment.unwrap_or(Environment::Production);
    let found = app.control.sources(caller, environment, after.as_deref(), u32::from(limit) + 1).await?;
    let cursor = |source: &Source| source.stamp.source_id.clone();
    Ok(listing(found, limit.into(), cursor, |source| source))
}

/// What became of the events of an environment of the caller's tenant, up to the present.
pub async fn counted(app: &App, caller: &Caller, query: &IngestQuery) -> Answer<IngestView> {
    caller.require(Right::ReadEvents)?;
    let span = query.span(app.control.present())?;
    write_refused(app).await?;
    let environment = query.environment.unwrap_or(Environment::Production);
    let sums = app.control.event_counts(caller, environment, span).await?;
    Ok(IngestView::new(environment, span, sums))
}

/// Refused events that are only in memory belong to the answer.
async fn write_refused(app: &App) -> Answer<()> {
    Ok(app.ingest.write_refused().await.map_err(Refused::from)?)
}
