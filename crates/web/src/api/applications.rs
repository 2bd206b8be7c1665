//! Applications.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::{Application, ApplicationId};
use keystile_manage::Right;
use keystile_wire::{ApplicationListQuery, ApplicationView, CreateApplication, Listing, PatchApplication};

use super::{Answer, json, listing, page_of, with_location, with_version};
use crate::extract::{IfMatch, Json, Member, PathId, Query};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

fn record(status: StatusCode, application: Application) -> Response {
    let version = application.version;
    with_version(json(status, &ApplicationView::from(application)), version)
}

/// Make an application.
#[utoipa::path(post, path = "/applications", tag = "applications", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateApplication, responses(
    (status = 201, body = ApplicationView, description = "The application."),
))]
pub(crate) async fn create_application(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateApplication>,
) -> Answer {
    let (name, settings) = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageApplications)?, asked, move |app| async move {
        let application = app.control.create_application(&caller, name, settings).await?;
        let path = format!("/api/v1/tenants/{}/applications/{}", application.tenant_id, application.id);
        Ok(with_location(record(StatusCode::CREATED, application), path))
    })
    .await
}

/// List applications, newest first.
#[utoipa::path(get, path = "/applications", tag = "applications", params(("tenant_id" = String, Path), ApplicationListQuery), responses(
    (status = 200, body = Listing<ApplicationView>, description = "A page of them."),
))]
pub(crate) async fn list_applications(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<ApplicationListQuery>,
) -> Answer {
    let (page, limit) = page_of::<ApplicationId>(query.limit, query.cursor.as_deref())?;
    let include_archived = query.include_archived.unwrap_or_default();
    let applications = app.control.applications(&caller, include_archived, page).await?;
    let page = listing(applications, limit, |application| application.id.to_string(), ApplicationView::from);
    Ok(json(StatusCode::OK, &page))
}

/// One application.
#[utoipa::path(get, path = "/applications/{application_id}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path)), responses(
    (status = 200, body = ApplicationView, description = "The application."),
))]
pub(crate) async fn show_application(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    Ok(record(StatusCode::OK, app.control.application(&caller, id).await?))
}

/// Change settings of an application (JSON merge patch). One that is archived takes no new keys.
#[utoipa::path(patch, path = "/applications/{application_id}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchApplication, responses(
    (status = 200, body = ApplicationView, description = "The application as it is now."),
))]
pub(crate) async fn patch_application(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
    if_match: IfMatch,
    Json(request): Json<PatchApplication>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change =
        move |app: App| async move { app.control.patch_application(&caller, id, patch, guard).await };
    Ok(record(StatusCode::OK, app.commit(change).await?))
}
