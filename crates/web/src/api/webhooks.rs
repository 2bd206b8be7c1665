//! Webhooks of a tenant, and how deliveries to them go.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keystile_core::{Delivery, DeliveryId, Webhook, WebhookId};
use keystile_courier::TooManyTests;
use keystile_manage::{DeliveryQuery, Right, WithSecret};
use keystile_store::{DeliveriesFound, Redelivery};
use keystile_wire::{
    Anew, CreateWebhook, CreatedWebhook, DeliveryListQuery, DeliveryView, Listing, PatchWebhook, Problem,
    Redeliver, RedeliveredView, RotateWebhookSecret, WebhookTestView, WebhookView,
};

use super::{Answer, json, listing, page_of, secret_json, with_location, with_version};
use crate::extract::{IfMatch, Json, Member, PathId, Query};
use crate::once::{Making, MakingOptional, once};
use crate::problem::{ApiProblem, BUSY};
use crate::state::App;

fn record(webhook: Webhook) -> Response {
    let version = webhook.version;
    with_version(json(StatusCode::OK, &WebhookView::from(webhook)), version)
}

fn with_secret(status: StatusCode, made: WithSecret) -> Response {
    let version = made.webhook.version;
    with_version(secret_json(status, &CreatedWebhook::of(made.webhook, made.secret)), version)
}

/// What of the request's two ways to say so is to be sent anew.
pub(crate) const fn redelivery(anew: Anew) -> Redelivery {
    match anew {
        Anew::One(id) => Redelivery::One(id),
        Anew::FailedSince(at) => Redelivery::FailedSince(at),
    }
}

/// Make a webhook. It is told of what happens from now on. The secret is in this answer and nowhere else. For admins.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks", params(("tenant_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateWebhook, responses(
    (status = 201, body = CreatedWebhook, description = "The webhook and its secret, shown this once."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`too_many_webhooks`; nothing was made."),
))]
pub(crate) async fn create_webhook(
    State(app): State<App>,
    Member(caller): Member,
    Making(request, asked): Making<CreateWebhook>,
) -> Answer {
    let draft = request.parse().map_err(ApiProblem::invalid)?;
    once(&app, caller.asker(Right::ManageWebhooks)?, asked, move |app| async move {
        let made = app.control.create_webhook(&caller, draft).await?;
        let path = format!("/api/v1/tenants/{}/webhooks/{}", made.webhook.tenant_id, made.webhook.id);
        Ok(with_location(with_secret(StatusCode::CREATED, made), path))
    })
    .await
}

/// List webhooks, oldest first: at most 20, so all of them. For admins.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(("tenant_id" = String, Path)), responses(
    (status = 200, body = Listing<WebhookView>, description = "All of them."),
))]
pub(crate) async fn list_webhooks(State(app): State<App>, Member(caller): Member) -> Answer {
    let webhooks = app.control.webhooks(&caller).await?;
    let all = webhooks.into_iter().map(WebhookView::from).collect();
    Ok(json(StatusCode::OK, &Listing { data: all, next_cursor: None }))
}

/// One webhook. For admins.
#[utoipa::path(get, path = "/webhooks/{webhook_id}", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path)), responses(
    (status = 200, body = WebhookView, description = "The webhook."),
))]
pub(crate) async fn show_webhook(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    Ok(record(app.control.webhook(&caller, id).await?))
}

/// Change settings of a webhook, or switch it off or on (JSON merge patch). Switched on, it is sent what waits for it. For admins.
#[utoipa::path(patch, path = "/webhooks/{webhook_id}", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchWebhook, responses(
    (status = 200, body = WebhookView, description = "The webhook as it is now."),
))]
pub(crate) async fn patch_webhook(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
    if_match: IfMatch,
    Json(request): Json<PatchWebhook>,
) -> Answer {
    let guard = if_match.or_body(request.version)?;
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let webhook = app.control.patch_webhook(&caller, id, patch, guard).await?;
    app.courier.look(id);
    Ok(record(webhook))
}

/// Take a webhook away. What was on its way to it is given up. For admins.
#[utoipa::path(delete, path = "/webhooks/{webhook_id}", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path)), responses(
    (status = 204, description = "It is."),
))]
pub(crate) async fn delete_webhook(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    app.control.delete_webhook(&caller, id).await?;
    app.courier.look(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Give a webhook another secret. For a day, or as long as is asked for, messages are signed with both. For admins.
#[utoipa::path(post, path = "/webhooks/{webhook_id}/rotate-secret", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<RotateWebhookSecret>, responses(
    (status = 200, body = CreatedWebhook, description = "The webhook and its new secret, shown this once."),
))]
pub(crate) async fn rotate_webhook_secret(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
    MakingOptional(request, asked): MakingOptional<RotateWebhookSecret>,
) -> Answer {
    let overlap = request.overlap()?;
    once(&app, caller.asker(Right::ManageWebhooks)?, asked, move |app| async move {
        let made = app.control.rotate_webhook_secret(&caller, id, overlap).await?;
        Ok(with_secret(StatusCode::OK, made))
    })
    .await
}

/// Send a message `webhook.test` to a webhook at once, whether it is on or off, and tell how that went. It is sent once and noted
/// nowhere. For admins.
#[utoipa::path(post, path = "/webhooks/{webhook_id}/test", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path)), responses(
    (status = 200, body = WebhookTestView, description = "How it went, be it that there was no answer."),
))]
pub(crate) async fn test_webhook(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
) -> Answer {
    let target = app.control.webhook_to_test(&caller, id).await?;
    let attempt = app.courier.test(&target).await?;
    Ok(json(StatusCode::OK, &WebhookTestView::from(attempt)))
}

/// Send deliveries anew: one, or all that were given up since a time. A receiver knows them by the ids that they had. For admins.
#[utoipa::path(post, path = "/webhooks/{webhook_id}/redeliver", tag = "webhooks",
    params(("tenant_id" = String, Path), ("webhook_id" = String, Path)), request_body = Redeliver, responses(
    (status = 200, body = RedeliveredView, description = "How many are."),
))]
pub(crate) async fn redeliver(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<WebhookId>,
    Json(request): Json<Redeliver>,
) -> Answer {
    let redelivered = app.control.redeliver(&caller, id, redelivery(request.parse()?)).await?;
    app.courier.look(id);
    Ok(json(StatusCode::OK, &RedeliveredView { redelivered }))
}

/// List deliveries of the last 30 days, the last first. For admins. A filter is applied to some thousand deliveries at a time, so that a
/// page may have fewer than asked for, or none, and be followed by others: read on until `next_cursor` is null.
#[utoipa::path(get, path = "/deliveries", tag = "webhooks", params(("tenant_id" = String, Path), DeliveryListQuery), responses(
    (status = 200, body = Listing<DeliveryView>, description = "A page of them."),
))]
pub(crate) async fn list_deliveries(
    State(app): State<App>,
    Member(caller): Member,
    Query(query): Query<DeliveryListQuery>,
) -> Answer {
    let (page, limit) = page_of::<DeliveryId>(query.limit, query.cursor.as_deref())?;
    let DeliveryListQuery { webhook_id, state, key_id, .. } = query;
    let found = app.control.deliveries(&caller, &DeliveryQuery { webhook_id, state, key_id }, page).await?;
    let page = listed(found, limit);
    let data = page.data.into_iter().map(DeliveryView::from).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: page.next_cursor }))
}

/// A page of `limit` deliveries of what was found for it, and one more.
pub fn listed(found: DeliveriesFound, limit: usize) -> Listing<Delivery> {
    let page = listing(found.deliveries, limit, |delivery| delivery.id.to_string(), |delivery| delivery);
    let looked_to = found.looked_to.map(|id| id.to_string());
    Listing { next_cursor: page.next_cursor.or(looked_to), ..page }
}

impl From<TooManyTests> for ApiProblem {
    fn from(busy: TooManyTests) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, busy.to_string())
    }
}
