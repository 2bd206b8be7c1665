//! API keys.

use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use keystile_core::key::KeyCursor;
use keystile_core::{ApiKey, KeyId, Timestamp};
use keystile_manage::{Caller, Committed, KeyQuery, Refused, VersionGuard};
use keystile_store::KeyPage;
use keystile_wire::{BlockKey, KeyListQuery, KeyView, Listing, Nothing, PatchKey, RevokeKey};

use super::shown::Shown;
use super::{Answer, json, listing, page_size};
use crate::extract::{IfMatch, Json, Member, OptionalJson, PathId, Query};
use crate::problem::ApiProblem;
use crate::state::App;

/// The key that the path names, who wants to change it, and the version they read.
type OneKey = (State<App>, Member, PathId<KeyId>, IfMatch);

/// Carries out a change of one key and answers with the record as it is now.
async fn changed<F>(key: OneKey, work: impl FnOnce(App, Caller, KeyId, VersionGuard) -> F) -> Answer
where
    F: Future<Output = Result<Committed<ApiKey>, Refused>> + Send + 'static,
{
    let (State(app), Member(caller), PathId(id), IfMatch(guard)) = key;
    let shown = Shown::to(&app, &caller).await?;
    let key = app.commit(|app| work(app, caller, id, guard)).await?;
    let key = app.control.with_spend(key).await;
    Ok(shown.record(&app, key))
}

/// The record as it is now: the answer of [`changed`].
#[derive(utoipa::IntoResponses)]
#[response(status = 200)]
#[expect(dead_code, reason = "only describes the answer in the OpenAPI document")]
struct Changed(KeyView);

/// List API keys, newest first unless another order is asked for.
#[utoipa::path(get, path = "/api-keys", tag = "keys", params(("tenant_id" = String, Path), KeyListQuery), responses(
    (status = 200, body = Listing<KeyView>, description = "A page of them."),
))]
pub(crate) async fn list_keys(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<KeyListQuery>,
) -> Answer {
    let (limit, sort) = (page_size(query.limit)?, query.sort());
    let page = KeyPage { sort, order: query.order(), after: query.after()?, limit: u32::from(limit) + 1 };
    let (now, shown) = (app.control.present(), Shown::to(&app, &caller).await?);
    let keys = app.control.keys(&caller, &filter(query, now, shown.rotation_days())?, page).await?;
    let cursor = |key: &ApiKey| KeyCursor::of(key, sort).to_string();
    Ok(json(StatusCode::OK, &listing(keys, limit.into(), cursor, |key| shown.view(key, now))))
}

/// What is asked for in a query, as the control plane takes it.
pub fn filter(query: KeyListQuery, now: Timestamp, rotation_days: u16) -> Answer<KeyQuery> {
    query.check()?;
    let KeyListQuery { q, source_id, tag, kind, unused_days, expires_within_days, .. } = query;
    let days = |days: u16| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let days_ago = |count: u16| now.minus(days(count));
    Ok(KeyQuery {
        environment: query.environment,
        status: query.status,
        kind,
        application_id: query.application_id,
        customer_id: query.customer_id,
        source_id,
        trust_level: query.trust_level,
        name_contains: q,
        tag,
        rotation_due: query.rotation_due.map(|due| (due, days_ago(rotation_days))),
        blocked: query.blocked,
        expires_by: expires_within_days.map(|count| now.plus(days(count))),
        unused_since: unused_days.map(days_ago),
        include_deleted: query.include_deleted.unwrap_or_default(),
        ..KeyQuery::all(now)
    })
}

/// Show one API key.
#[utoipa::path(get, path = "/api-keys/{api_key_id}", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path)), responses(
    (status = 200, body = KeyView, description = "The record."),
))]
pub(crate) async fn show_key(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
) -> Answer {
    let key = app.control.key(&caller, id).await?;
    Ok(Shown::to(&app, &caller).await?.record(&app, key))
}

/// Change settings of an API key (JSON merge patch).
#[utoipa::path(patch, path = "/api-keys/{api_key_id}", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchKey, responses(
    (status = 200, body = KeyView, description = "The record as it is now."),
))]
pub(crate) async fn patch_key(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    if_match: IfMatch,
    Json(request): Json<PatchKey>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let shown = Shown::to(&app, &caller).await?;
    let key = app.commit(|app| async move { app.control.patch_key(&caller, id, patch, guard).await }).await?;
    Ok(shown.record(&app, key))
}

/// Delete an API key: it is revoked and leaves the lists; its history stays.
#[utoipa::path(delete, path = "/api-keys/{api_key_id}", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)), responses(
    (status = 204, description = "It is dead everywhere."),
))]
pub(crate) async fn delete_key(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
    IfMatch(guard): IfMatch,
) -> Answer {
    app.commit(|app| async move { app.control.delete_key(&caller, id, guard).await }).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Revoke an API key for good. It is refused everywhere when this answers.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/revoke", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<RevokeKey>, responses(Changed))]
pub(crate) async fn revoke_key(key: OneKey, OptionalJson(request): OptionalJson<RevokeKey>) -> Answer {
    let reason = request.parse()?;
    changed(key, |app, by, id, guard| async move { app.control.revoke_key(&by, id, reason, guard).await })
        .await
}

/// Block an API key for abuse, a leak or billing.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/block", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = BlockKey, responses(Changed))]
pub(crate) async fn block_key(key: OneKey, Json(request): Json<BlockKey>) -> Answer {
    let reason = request.parse()?;
    changed(key, |app, by, id, guard| async move { app.control.block_key(&by, id, reason, guard).await })
        .await
}

/// Switch an API key off for a while.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/disable", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(Changed))]
pub(crate) async fn disable_key(key: OneKey, OptionalJson(Nothing {}): OptionalJson<Nothing>) -> Answer {
    changed(key, |app, by, id, guard| async move { app.control.disable_key(&by, id, guard).await }).await
}

/// Switch an API key on again.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/enable", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(Changed))]
pub(crate) async fn enable_key(key: OneKey, OptionalJson(Nothing {}): OptionalJson<Nothing>) -> Answer {
    changed(key, |app, by, id, guard| async move { app.control.enable_key(&by, id, guard).await }).await
}

/// Unblock an API key.
#[utoipa::path(post, path = "/api-keys/{api_key_id}/unblock", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(Changed))]
pub(crate) async fn unblock_key(key: OneKey, OptionalJson(Nothing {}): OptionalJson<Nothing>) -> Answer {
    changed(key, |app, by, id, guard| async move { app.control.unblock_key(&by, id, guard).await }).await
}
