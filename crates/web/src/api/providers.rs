//! Providers of language models.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keystile_core::ProviderId;
use keystile_manage::{KnownProvider, Right};
use keystile_wire::{CreateProvider, Listing, PatchProvider, Problem, ProviderView};

use super::{Answer, json, with_location, with_version};
use crate::extract::{IfMatch, Json, Member, PathId};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

fn view(known: KnownProvider) -> ProviderView {
    ProviderView::of(known.provider, known.credential_hint)
}

fn record(status: StatusCode, known: KnownProvider) -> Response {
    let version = known.provider.version;
    with_version(json(status, &view(known)), version)
}

/// Make a provider of language models. Its credential is kept encrypted and never shown again. For admins.
#[utoipa::path(post, path = "/providers", tag = "models", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateProvider, responses(
    (status = 201, body = ProviderView, description = "The provider."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`name_taken` or `too_many_providers`; nothing was made."),
))]
pub(crate) async fn create_provider(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateProvider>,
) -> Answer {
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageModels)?, asked, move |app| async move {
        let known =
            app.commit(|app| async move { app.control.create_provider(&caller, draft).await }).await?;
        let provider = &known.provider;
        let path = format!("/api/v1/tenants/{}/providers/{}", provider.tenant_id, provider.id);
        Ok(with_location(record(StatusCode::CREATED, known), path))
    })
    .await
}

/// List providers of language models, oldest first: at most 100, so all of them. For admins.
#[utoipa::path(get, path = "/providers", tag = "models", params(("tenant_id" = String, Path)), responses(
    (status = 200, body = Listing<ProviderView>, description = "All of them."),
))]
pub(crate) async fn list_providers(State(app): State<App>, Member(caller): Member) -> Answer {
    let data = app.control.providers(&caller).await?.into_iter().map(view).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: None }))
}

/// One provider of language models. For admins.
#[utoipa::path(get, path = "/providers/{provider_id}", tag = "models",
    params(("tenant_id" = String, Path), ("provider_id" = String, Path)), responses(
    (status = 200, body = ProviderView, description = "The provider."),
))]
pub(crate) async fn show_provider(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ProviderId>,
) -> Answer {
    Ok(record(StatusCode::OK, app.control.provider(&caller, id).await?))
}

/// Change settings of a provider, or switch it off or on (JSON merge patch). Its credential goes to the host alone that it was given for:
/// with another host, give it again. For admins.
#[utoipa::path(patch, path = "/providers/{provider_id}", tag = "models",
    params(("tenant_id" = String, Path), ("provider_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchProvider, responses(
    (status = 200, body = ProviderView, description = "The provider as it is now."),
))]
pub(crate) async fn patch_provider(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ProviderId>,
    if_match: IfMatch,
    Json(request): Json<PatchProvider>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let change = move |app: App| async move { app.control.patch_provider(&caller, id, patch, guard).await };
    Ok(record(StatusCode::OK, app.commit(change).await?))
}

/// Take a provider away that has no models any more. For admins.
#[utoipa::path(delete, path = "/providers/{provider_id}", tag = "models",
    params(("tenant_id" = String, Path), ("provider_id" = String, Path)), responses(
    (status = 204, description = "It is gone."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`provider_has_models`; nothing was changed."),
))]
pub(crate) async fn delete_provider(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<ProviderId>,
) -> Answer {
    app.commit(move |app| async move { app.control.delete_provider(&caller, id).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
