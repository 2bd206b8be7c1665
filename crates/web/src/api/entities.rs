//! What events say of entities.

use axum::extract::State;
use http::StatusCode;
use keystile_core::Environment;
use keystile_manage::Caller;
use keystile_store::KnownEntity;
use keystile_wire::{EntityListQuery, EntityQuery, EntityView, Listing};

use super::{Answer, json, listing, page_size};
use crate::extract::{Member, PathEntity, Query};
use crate::state::App;

/// List the entities that are known in an environment, by type and id.
#[utoipa::path(get, path = "/entities", tag = "events", params(("tenant_id" = String, Path), EntityListQuery), responses(
    (status = 200, body = Listing<EntityView>, description = "A page of them."),
))]
pub(crate) async fn list_entities(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<EntityListQuery>,
) -> Answer {
    let Listing { data, next_cursor } = entities(&app, &caller, query).await?;
    let data = data.into_iter().map(view).collect::<Vec<_>>();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor }))
}

/// A page of the entities that are known in an environment of the caller's tenant.
pub async fn entities(app: &App, caller: &Caller, query: EntityListQuery) -> Answer<Listing<KnownEntity>> {
    let (after, limit) = (query.after()?, page_size(query.limit)?);
    let environment = query.environment.unwrap_or(Environment::Production);
    let wanted = keystile_manage::EntityQuery { environment, entity_type: query.entity_type };
    let found = app.control.entities(caller, &wanted, after.as_ref(), u32::from(limit) + 1).await?;
    Ok(listing(found, limit.into(), |known| known.name.to_string(), |known| known))
}

/// Show what is known of an entity in an environment: the last values, and who said them when.
#[utoipa::path(get, path = "/entities/{entity_type}/{entity_id}", tag = "events",
    params(("tenant_id" = String, Path), ("entity_type" = String, Path), ("entity_id" = String, Path), EntityQuery),
    responses((status = 200, body = EntityView, description = "The entity."),
))]
pub(crate) async fn show_entity(
    State(app): State<App>,
    Member(caller): Member,
    PathEntity(name): PathEntity,
    Query(query): Query<EntityQuery>,
) -> Answer {
    let environment = query.environment.unwrap_or(Environment::Production);
    Ok(json(StatusCode::OK, &view(app.control.entity(&caller, environment, &name).await?)))
}

fn view(known: KnownEntity) -> EntityView {
    let KnownEntity { tenant_id, environment, name, entity } = known;
    EntityView::of(tenant_id, environment, name, entity)
}
