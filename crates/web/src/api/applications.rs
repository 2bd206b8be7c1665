//! Applications.

use axum::extract::State;
use http::StatusCode;
use keystile_core::ApplicationId;
use keystile_manage::Right;
use keystile_wire::{ApplicationView, CreateApplication, Listing, PageQuery, Problem};

use super::{Answer, json, listing, page_of, with_location};
use crate::extract::{Member, PathId, Query};
use crate::once::{Making, once};
use crate::state::App;

/// Make an application.
#[utoipa::path(post, path = "/applications", tag = "applications", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateApplication, responses(
    (status = 201, body = ApplicationView, description = "The application."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Nothing was made."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn create_application(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateApplication>,
) -> Answer {
    let name = request.parse()?;
    once(&app, caller.asker(Right::ManageApplications)?, asked, move |app| async move {
        let application = app.control.create_application(&caller, name).await?;
        let path = format!("/api/v1/tenants/{}/applications/{}", application.tenant_id, application.id);
        Ok(with_location(json(StatusCode::CREATED, &ApplicationView::from(application)), path))
    })
    .await
}

/// List applications, newest first.
#[utoipa::path(get, path = "/applications", tag = "applications", params(("tenant_id" = String, Path), PageQuery), responses(
    (status = 200, body = Listing<ApplicationView>, description = "A page of them."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Not signed in, or 404."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn list_applications(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<PageQuery>,
) -> Answer {
    let (page, limit) = page_of::<ApplicationId>(query.limit, query.cursor.as_deref())?;
    let applications = app.control.applications(&caller, page).await?;
    let page = listing(applications, limit, |application| application.id.to_string(), ApplicationView::from);
    Ok(json(StatusCode::OK, &page))
}

/// One application.
#[utoipa::path(get, path = "/applications/{application_id}", tag = "applications",
    params(("tenant_id" = String, Path), ("application_id" = String, Path)), responses(
    (status = 200, body = ApplicationView, description = "The application."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Not signed in, or 404."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn show_application(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    Ok(json(StatusCode::OK, &ApplicationView::from(app.control.application(&caller, id).await?)))
}
