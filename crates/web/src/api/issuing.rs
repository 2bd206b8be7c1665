//! API keys that get a secret, which is shown once.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use keystile_core::{ApiKey, KeyId};
use keystile_manage::{Imported, JobOrder, Right};
use keystile_wire::{
    CreateKey, CreatedKey, ImportKeys, ImportedKey, ImportedKeys, JobView, Problem, RegenerateKey, RotateKey,
};

use super::jobs::accepted;
use super::shown::Shown;
use super::{Answer, json, with_location};
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
            .commit(|app| async move {
                app.require_journal()?;
                app.control.regenerate_key(&caller, id, brought, guard).await
            })
            .await?;
        Ok(shown.with_secret(&app, StatusCode::OK, issued))
    })
    .await
}

/// Give an API key a successor with the same settings, lineage and limits. The old one lives on for the overlap, then
/// it has expired; with an overlap of 0 it is revoked when this answers. A key that was rotated can be rotated again only
/// when its successor has ended.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/rotate", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header), ("Idempotency-Key" = Option<String>, Header)),
    request_body = RotateKey, responses(
    (status = 200, body = CreatedKey, description = "The record of the new key and its secret, shown this once."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`already_rotated` names the successor that lives, `version_conflict` the version; nothing was changed."),
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
            .commit(|app| async move {
                app.require_journal()?;
                app.control.rotate_key(&caller, id, overlap, brought, guard).await
            })
            .await?;
        let path = path_of(&issued.key);
        Ok(with_location(shown.with_secret(&app, StatusCode::OK, issued), path))
    })
    .await
}

/// Longest body of an import: 10,000 keys with long names and some settings each.
pub(super) const MAX_IMPORT_BODY: usize = 16 * 1024 * 1024;

/// Take over API keys of another system by the SHA-256 of their secrets: all of them, or none. They work when this
/// answers, with the secrets their holders have: any text of 8 to 512 visible ASCII characters that does not begin like
/// a Keystile key. A key that is there with the same settings stays as it is, so that an import can be repeated.
#[utoipa::path(post, path = "/api-keys/import", tag = "keys",
    params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = ImportKeys, responses(
    (status = 200, body = ImportedKeys, description = "What became of each key."),
    (status = 202, body = JobView, description = "With `Prefer: respond-async`: the background job that imports the keys, each on its own."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`secret_exists` names the hashes that other keys have or had; nothing was imported."),
))]
pub(crate) async fn import_keys(
    State(app): State<App>,
    Member(caller): Member,
    headers: HeaderMap,
    Making(request, asked): Making<ImportKeys, MAX_IMPORT_BODY>,
) -> Answer {
    let imports = request.parse().map_err(ApiProblem::invalid)?;
    let in_background = prefers_background(&headers);
    once(&app, caller.asker(Right::ManageKeys)?, asked, move |app| async move {
        if in_background {
            return Ok(accepted(app.control.make_job(&caller, JobOrder::Import(imports), None).await?));
        }
        let imported =
            app.commit(|app| async move { app.control.import_keys(&caller, imports).await }).await?;
        Ok(json(StatusCode::OK, &view(imported)))
    })
    .await
}

/// Whether the caller wants to be answered before the work is done (RFC 7240).
fn prefers_background(headers: &HeaderMap) -> bool {
    let lines = headers.get_all("prefer").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))
}

fn view(imported: Vec<Imported>) -> ImportedKeys {
    let existing = imported.iter().filter(|key| key.was_there).count();
    let one = |key: Imported| ImportedKey { id: key.id, status: key.status, created: !key.was_there };
    ImportedKeys {
        created: imported.len() - existing,
        existing,
        keys: imported.into_iter().map(one).collect(),
    }
}
