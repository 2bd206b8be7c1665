//! API keys that get a secret, which is shown once.

use axum::extract::State;
use http::StatusCode;
use keystile_core::{ApiKey, KeyId};
use keystile_manage::Right;
use keystile_wire::{CreateKey, CreatedKey, Problem, RegenerateKey, RotateKey};

use super::shown::Shown;
use super::{Answer, with_location};
use crate::extract::{IfMatch, Member, PathId};
use crate::once::{Making, MakingOptional, once};
use crate::problem::ApiProblem;
use crate::state::App;

/// Where a key is.
fn path_of(key: &ApiKey) -> String {
    format!("/api/v1/tenants/{}/api-keys/{}", key.tenant_id, key.id)
}

/// Create an API key. The secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api-keys", tag = "keys", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = CreateKey, responses(
    (status = 201, body = CreatedKey, description = "The key and its secret, shown this once."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Nothing was made."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn create_key(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateKey>,
) -> Answer {
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        let shown = Shown::to(&app, &caller).await?;
        let issued = app.commit(|app| async move { app.control.create_key(&caller, draft).await }).await?;
        let path = path_of(&issued.key);
        Ok(with_location(shown.with_secret(&app, StatusCode::CREATED, issued), path))
    })
    .await
}

/// Give an API key a new secret. The old one is dead when this answers.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/regenerate", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<RegenerateKey>, responses(
    (status = 200, body = CreatedKey, description = "The record and the new secret, shown this once."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Nothing was changed."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn regenerate_key(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    IfMatch(guard): IfMatch,
    MakingOptional(request, asked): MakingOptional<RegenerateKey>,
) -> Answer {
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        let (brought, shown) = (request.secret, Shown::to(&app, &caller).await?);
        let issued = app
            .commit(|app| async move { app.control.regenerate_key(&caller, id, brought, guard).await })
            .await?;
        Ok(shown.with_secret(&app, StatusCode::OK, issued))
    })
    .await
}

/// Give an API key a successor with the same settings, lineage and limits. The old one lives on for the overlap, then
/// it has expired; with an overlap of 0 it is dead when this answers. A key that was rotated can be rotated again only
/// when its successor has ended.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/rotate", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RotateKey, responses(
    (status = 200, body = CreatedKey, description = "The record of the new key and its secret, shown this once."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "Nothing was changed; 409 `already_rotated` names the successor that lives."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn rotate_key(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    IfMatch(guard): IfMatch,
    Making(request, asked): Making<RotateKey>,
) -> Answer {
    let overlap = request.overlap()?;
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        let (brought, shown) = (request.secret, Shown::to(&app, &caller).await?);
        let issued = app
            .commit(|app| async move { app.control.rotate_key(&caller, id, overlap, brought, guard).await })
            .await?;
        let path = path_of(&issued.key);
        Ok(with_location(shown.with_secret(&app, StatusCode::OK, issued), path))
    })
    .await
}
