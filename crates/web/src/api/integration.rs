//! API keys for integrations: the same records under that surface's own names, in the tenant of the caller's credential.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::{ApiKey, Environment, KeyId, KeyStatus};
use keystile_manage::{KeyQuery, Right};
use keystile_wire::{
    CreateIntegrationKey, CreatedIntegrationKey, IntegrationKey, IntegrationListQuery, IntegrationStatus,
    KeyListQuery, Listing, PatchIntegrationKey, Problem, RevokeKey,
};

use super::keys::filter;
use super::shown::Shown;
use super::{Answer, json, listing, page_of, secret_json, with_location, with_version};
use crate::extract::{IfMatch, InOwnTenant, Json, OptionalJson, PathId, Query};
use crate::once::{Making, once};
use crate::problem::ApiProblem;
use crate::state::App;

fn record(app: &App, shown: Shown, key: ApiKey) -> Response {
    let (version, now) = (key.version, app.control.present());
    with_version(json(StatusCode::OK, &IntegrationKey::from(shown.view(key, now))), version)
}

/// Create an API key in the caller's tenant. The raw key and its hash are in this answer and nowhere else.
#[utoipa::path(post, path = "/api-keys", tag = "integration", params(("Idempotency-Key" = Option<String>, Header)), request_body = CreateIntegrationKey, responses(
    (status = 201, body = CreatedIntegrationKey, description = "The key and its raw text, shown this once."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The credential is for no tenant."),
))]
pub(crate) async fn create_integration_key(
    State(app): State<App>,
    InOwnTenant(caller): InOwnTenant,
    Making(request, asked): Making<CreateIntegrationKey>,
) -> Answer {
    let environment = caller.environment().unwrap_or(Environment::Production);
    let draft = request.parse(environment).map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        let shown = Shown::to(&app, &caller).await?;
        let issued = app.commit(|app| async move { app.control.create_key(&caller, draft).await }).await?;
        let path = format!("/api/v1/integration/api-keys/{}", issued.key.id);
        let (version, now) = (issued.key.version, app.control.present());
        let created = CreatedIntegrationKey::of(shown.view(issued.key, now), issued.secret);
        Ok(with_location(with_version(secret_json(StatusCode::CREATED, &created), version), path))
    })
    .await
}

/// List the API keys of the caller's tenant, and of its application when it is one, newest first.
#[utoipa::path(get, path = "/api-keys", tag = "integration", params(IntegrationListQuery), responses(
    (status = 200, body = Listing<IntegrationKey>, description = "A page of them."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The credential is for no tenant."),
))]
pub(crate) async fn list_integration_keys(
    State(app): State<App>,
    InOwnTenant(caller): InOwnTenant,
    Query(query): Query<IntegrationListQuery>,
) -> Answer {
    let (page, limit) = page_of::<KeyId>(query.limit, query.cursor.as_deref())?;
    let (now, shown) = (app.control.present(), Shown::to(&app, &caller).await?);
    let filter = KeyQuery {
        inactive_as: KeyStatus::Revoked,
        ..filter(as_elsewhere(query), now, shown.rotation_days())?
    };
    let keys = app.control.keys(&caller, &filter, page).await?;
    let view = |key| IntegrationKey::from(shown.view(key, now));
    Ok(json(StatusCode::OK, &listing(keys, limit, |key| key.id.to_string(), view)))
}

fn as_elsewhere(query: IntegrationListQuery) -> KeyListQuery {
    let status = query.status.map(|status| match status {
        IntegrationStatus::Active => KeyStatus::Active,
        IntegrationStatus::Revoked => KeyStatus::Revoked,
        IntegrationStatus::Expired => KeyStatus::Expired,
    });
    KeyListQuery {
        status,
        kind: query.kind,
        application_id: query.application_id,
        q: query.q,
        tag: query.tag,
        include_deleted: query.include_deleted,
        ..KeyListQuery::default()
    }
}

/// Show one API key of the caller's tenant.
#[utoipa::path(get, path = "/api-keys/{api_key_id}", tag = "integration", params(("api_key_id" = String, Path)), responses(
    (status = 200, body = IntegrationKey, description = "The record."),
))]
pub(crate) async fn show_integration_key(
    State(app): State<App>,
    InOwnTenant(caller): InOwnTenant,
    PathId(id): PathId<KeyId>,
) -> Answer {
    let key = app.control.key(&caller, id).await?;
    Ok(record(&app, Shown::to(&app, &caller).await?, key))
}

/// Change settings of an API key (JSON merge patch), or block and unblock it.
#[utoipa::path(patch, path = "/api-keys/{api_key_id}", tag = "integration",
    params(("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchIntegrationKey, responses(
    (status = 200, body = IntegrationKey, description = "The record as it is now."),
))]
pub(crate) async fn patch_integration_key(
    State(app): State<App>,
    InOwnTenant(caller): InOwnTenant,
    PathId(id): PathId<KeyId>,
    if_match: IfMatch,
    Json(request): Json<PatchIntegrationKey>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let shown = Shown::to(&app, &caller).await?;
    let key = app.commit(|app| async move { app.control.patch_key(&caller, id, patch, guard).await }).await?;
    Ok(record(&app, shown, key))
}

/// Revoke an API key for good. It is refused everywhere when this answers.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/revoke", tag = "integration",
    params(("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<RevokeKey>, responses(
    (status = 200, body = IntegrationKey, description = "The record as it is now."),
))]
pub(crate) async fn revoke_integration_key(
    State(app): State<App>,
    InOwnTenant(caller): InOwnTenant,
    PathId(id): PathId<KeyId>,
    IfMatch(guard): IfMatch,
    OptionalJson(request): OptionalJson<RevokeKey>,
) -> Answer {
    let (reason, shown) = (request.parse()?, Shown::to(&app, &caller).await?);
    let key =
        app.commit(|app| async move { app.control.revoke_key(&caller, id, reason, guard).await }).await?;
    Ok(record(&app, shown, key))
}
