//! Tenants.

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use keystile_bearer::{ClientIp, RequestId};
use keystile_core::{Role, Tenant};
use keystile_manage::{Caller, Lacking, Origin, Refused};
use keystile_wire::{CreateTenant, Listing, PatchTenant, Problem, TenantView};

use super::{Answer, json, with_location, with_version};
use crate::extract::{Here, IfMatch, Json, Member, Person};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

/// Make a tenant; the caller becomes its owner. It comes with a first application of the same name.
#[utoipa::path(post, path = "/api/v1/tenants", tag = "tenants", params(("Idempotency-Key" = Option<String>, Header)), request_body = CreateTenant, responses(
    (status = 201, body = TenantView, description = "The tenant."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`too_many_tenants`: the caller owns 100; nothing was made."),
))]
pub(crate) async fn create_tenant(
    State(app): State<App>,
    Person(signed_in): Person,
    Extension(ClientIp(ip)): Extension<ClientIp>,
    Extension(request_id): Extension<RequestId>,
    Making(request, asked): Making<CreateTenant>,
) -> Answer {
    let (name, label) = request.parse().map_err(ApiProblem::invalid)?;
    let origin = Origin { ip, request_id: Some(request_id.as_str().to_owned()) };
    once(&app, signed_in.asker(), asked, move |app| async move {
        let founded = app.control.create_tenant(&signed_in, name, label, &origin).await?;
        let path = format!("/api/v1/tenants/{}", founded.tenant.id);
        Ok(with_location(json(StatusCode::CREATED, &TenantView::of(founded.tenant, Role::Owner)), path))
    })
    .await
}

/// The tenants the caller is a member of and can enter: one that requires a second factor is told by `GET /api/v1/auth/me`
/// alone while the session has shown none.
#[utoipa::path(get, path = "/api/v1/tenants", tag = "tenants", responses(
    (status = 200, body = Listing<TenantView>, description = "All of them."),
))]
pub(crate) async fn list_tenants(State(app): State<App>, Here(present): Here) -> Answer {
    let tenants = app.control.tenants(&present).await?;
    let data = tenants.into_iter().map(|(tenant, role)| TenantView::of(tenant, role)).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: None }))
}

/// One tenant.
#[utoipa::path(get, path = "", tag = "tenants", params(("tenant_id" = String, Path)), responses(
    (status = 200, body = TenantView, description = "The tenant."),
))]
pub(crate) async fn show_tenant(State(app): State<App>, Member(caller): Member) -> Answer {
    record(app.control.tenant(&caller).await?, &caller)
}

/// Change name and settings of a tenant (JSON merge patch). Another key label is for keys made from now on.
#[utoipa::path(patch, path = "", tag = "tenants",
    params(("tenant_id" = String, Path), ("If-Match" = Option<String>, Header)), request_body = PatchTenant, responses(
    (status = 200, body = TenantView, description = "The tenant as it is now."),
))]
pub(crate) async fn patch_tenant(
    State(app): State<App>,
    Member(caller): Member,
    if_match: IfMatch,
    Json(request): Json<PatchTenant>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let patching = caller.clone();
    let change = move |app: App| async move { app.control.patch_tenant(&patching, patch, guard).await };
    record(app.commit(change).await?, &caller)
}

fn record(tenant: Tenant, caller: &Caller) -> Answer {
    let role = caller.role().ok_or(Refused::Forbidden(Lacking::Person))?;
    let version = tenant.version;
    Ok(with_version(json(StatusCode::OK, &TenantView::of(tenant, role)), version))
}
