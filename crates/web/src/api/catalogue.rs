//! The permission catalogues of applications.

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use keystile_core::ApplicationId;
use keystile_store::{CataloguePage, Page};
use keystile_wire::{CatalogueCursor, Listing, PageQuery, PermissionView, Problem, SetPermission};

use super::{Answer, json, listing, page_of};
use crate::extract::{Json, Member, PathId, PathPermission, Query};
use crate::problem::ApiProblem;
use crate::state::App;

/// List the permissions that the tenant's applications know, in the order of their names.
#[utoipa::path(get, path = "/permissions", tag = "applications", params(("tenant_id" = String, Path), PageQuery), responses(
    (status = 200, body = Listing<PermissionView>, description = "A page of them."),
))]
pub(crate) async fn list_permissions(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<PageQuery>,
) -> Answer {
    let (Page { after, limit: with_next }, limit) =
        page_of::<CatalogueCursor>(query.limit, query.cursor.as_deref())?;
    let after = after.map(|CatalogueCursor(name, application_id)| (name, application_id));
    let page = CataloguePage { after, limit: with_next };
    let entries = app.control.catalogues(&caller, page).await?;
    let cursor = |last: &keystile_core::CatalogueEntry| {
        CatalogueCursor(last.name.clone(), last.application_id).to_string()
    };
    Ok(json(StatusCode::OK, &listing(entries, limit, cursor, PermissionView::from)))
}

/// List the permissions that an application knows, in the order of their names: all of them, which are 500 at most.
#[utoipa::path(get, path = "/applications/{application_id}/permissions", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path)), responses(
    (status = 200, body = Listing<PermissionView>, description = "All of them."),
))]
pub(crate) async fn list_application_permissions(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    let entries = app.control.catalogue(&caller, id).await?;
    let data = entries.into_iter().map(PermissionView::from).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: None }))
}

/// One permission of an application.
#[utoipa::path(get, path = "/applications/{application_id}/permissions/{permission}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path), ("permission" = String, Path)), responses(
    (status = 200, body = PermissionView, description = "The permission."),
))]
pub(crate) async fn show_permission(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
) -> Answer {
    let entry = app.control.permission(&caller, id, &name).await?;
    Ok(json(StatusCode::OK, &PermissionView::from(entry)))
}

/// Put a permission into an application's catalogue, or describe it anew.
#[utoipa::path(put, path = "/applications/{application_id}/permissions/{permission}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path), ("permission" = String, Path)),
    request_body = SetPermission, responses(
    (status = 200, body = PermissionView, description = "It was there, and is now as given."),
    (status = 201, body = PermissionView, description = "It is new."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`catalogue_full`; nothing was changed."),
))]
pub(crate) async fn set_permission(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
    Json(request): Json<SetPermission>,
) -> Answer {
    let (label, description) = request.parse().map_err(ApiProblem::invalid)?;
    let (entry, is_new) = app.control.set_permission(&caller, id, name, label, description).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &PermissionView::from(entry)))
}

/// Take a permission out of an application's catalogue. Keys that hold it keep it.
#[utoipa::path(delete, path = "/applications/{application_id}/permissions/{permission}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path), ("permission" = String, Path)), responses(
    (status = 204, description = "It is not there any more."),
))]
pub(crate) async fn delete_permission(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
) -> Answer {
    app.control.delete_permission(&caller, id, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
