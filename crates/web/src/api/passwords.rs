//! Changing a password, and setting one anew.

use axum::extract::State;
use http::StatusCode;
use keystile_core::PersonId;
use keystile_manage::Right;
use keystile_wire::{ChangePassword, Nothing, Problem, ResetOfferView, ResetPassword};

use super::{Answer, secret_json};
use crate::extract::{CameFrom, EarlyJson, Here, Json, Member, PathId};
use crate::once::{MakingOptional, once};
use crate::state::App;

/// Change your password. All your other sessions end.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "sessions", request_body = ChangePassword, responses(
    (status = 204, description = "It is changed."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in, or `wrong_credentials` for a wrong current password."),
))]
pub(crate) async fn change_password(
    State(app): State<App>,
    Here(present): Here,
    Json(request): Json<ChangePassword>,
) -> Answer<StatusCode> {
    let ChangePassword { current_password, new_password } = request;
    app.finish(|app: App| async move {
        app.control.change_password(&present, current_password, new_password).await
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set a password anew with a token that an admin or the operator made. All sessions of the person end.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "sessions", security(()), request_body = ResetPassword, responses(
    (status = 204, description = "It is set; sign in with it."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "`reset_token_invalid`."),
))]
pub(crate) async fn reset_password(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    Json(request): EarlyJson<ResetPassword>,
) -> Answer<StatusCode> {
    app.control.reset_password(&request.token, request.new_password, &origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a token with which a member sets their password anew, once, within 24 hours. Hand it over yourself. Only for
/// members all of whose tenants you administer, with no higher role than yours in any.
#[utoipa::path(post, path = "/memberships/{person_id}/password-reset", tag = "tenants",
    params(("tenant_id" = String, Path), ("person_id" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<Nothing>, responses(
    (status = 201, body = ResetOfferView, description = "The token, shown this once. Earlier ones stop working."),
))]
pub(crate) async fn offer_reset(
    State(app): State<App>,
    Member(caller): Member,
    PathId(person_id): PathId<PersonId>,
    MakingOptional(Nothing {}, asked): MakingOptional<Nothing>,
) -> Answer {
    once(&app, caller.asker(Right::ResetPasswords)?, asked, move |app| async move {
        let offer = app.control.offer_reset(&caller, person_id).await?;
        let view = ResetOfferView::of(offer.token, offer.expires_at);
        Ok(secret_json(StatusCode::CREATED, &view))
    })
    .await
}
