//! Showing events.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{Environment, EventId, Invalid};
use keystile_manage::{Caller, EventQuery};
use keystile_store::EventPage;
use keystile_wire::{EventListQuery, EventView, Listing};

use crate::api::{Answer, json, page_size};
use crate::extract::{Member, PathId, Query};
use crate::state::App;

/// List the events of an environment, the latest first. A filter is applied to some thousand events at a time, so that a page may
/// have fewer than asked for, or none, and be followed by others: read on until `next_cursor` is null.
#[utoipa::path(get, path = "/events", tag = "events", params(("tenant_id" = String, Path), EventListQuery), responses(
    (status = 200, body = Listing<EventView>, description = "A page of them."),
))]
pub(crate) async fn list_events(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<EventListQuery>,
) -> Answer {
    let (page, _) = events(&app, &caller, query).await?;
    let data = page.events.into_iter().map(EventView::from).collect();
    let next_cursor = page.next.map(|id| id.to_string());
    Ok(json(StatusCode::OK, &Listing { data, next_cursor }))
}

/// A page of the events of an environment of the caller's tenant, and how many events it has if there are so many.
pub async fn events(app: &App, caller: &Caller, query: EventListQuery) -> Answer<(EventPage, u16)> {
    let entity = query.check()?;
    let limit = page_size(query.limit)?;
    let after = query.cursor.as_deref().map(str::parse::<EventId>).transpose();
    let after = after.map_err(|_| Invalid::new("cursor", "must be the `next_cursor` of a page"))?;
    let EventListQuery { environment, source_id, event_type, from, to, .. } = query;
    let environment = environment.unwrap_or(Environment::Production);
    let wanted = EventQuery { environment, source_id, event_type, entity, from, to };
    Ok((app.control.events(caller, wanted, after, limit.into()).await?, limit))
}

/// Show one event, of whatever environment.
#[utoipa::path(get, path = "/events/{event_id}", tag = "events",
    params(("tenant_id" = String, Path), ("event_id" = String, Path)), responses(
    (status = 200, body = EventView, description = "The event."),
))]
pub(crate) async fn show_event(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<EventId>,
) -> Answer {
    Ok(json(StatusCode::OK, &EventView::from(app.control.event(&caller, id).await?)))
}
