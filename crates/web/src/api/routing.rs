//! What applications need of keys, by method and path.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::ApplicationId;
use keystile_core::route::Routed;
use keystile_wire::{RoutingView, SetRouting};

use super::{Answer, json, with_version};
use crate::extract::{IfMatch, Json, Member, PathId};
use crate::problem::ApiProblem;
use crate::state::App;

fn record(routed: Routed) -> Response {
    let version = routed.version;
    with_version(json(StatusCode::OK, &RoutingView::from(routed)), version)
}

/// What an application needs of the keys that call it, by method and path.
#[utoipa::path(get, path = "/applications/{application_id}/routing", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path)), responses(
    (status = 200, body = RoutingView, description = "Its routing; an empty one until it is given another."),
))]
pub(crate) async fn show_routing(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    Ok(record(app.control.routing(&caller, id).await?))
}

/// Replace the routing of an application. Forward authentication obeys it from the next request on.
#[utoipa::path(put, path = "/applications/{application_id}/routing", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = SetRouting, responses(
    (status = 200, body = RoutingView, description = "The routing as it is now."),
))]
pub(crate) async fn set_routing(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
    if_match: IfMatch,
    Json(request): Json<SetRouting>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let routing = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.set_routing(&caller, id, routing, guard).await };
    Ok(record(app.commit(change).await?))
}
