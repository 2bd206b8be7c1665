//! TOTP as a second factor.

use axum::extract::State;
use http::StatusCode;
use keystile_wire::{ConfirmTotp, EnrolTotp, EnrolmentView, Problem, RecoveryCodes, RemoveTotp};

use super::sign_in::shown_factor;
use super::{Answer, secret_json};
use crate::extract::{Here, Json};
use crate::once::{Making, once};
use crate::state::App;

/// Make a TOTP secret for your authenticator, which takes the password. It is asked for once you have confirmed it.
#[utoipa::path(post, path = "/api/v1/auth/totp", tag = "sessions", params(("Idempotency-Key" = Option<String>, Header)), request_body = EnrolTotp, responses(
    (status = 201, body = EnrolmentView, description = "The secret, shown this once."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in, or `wrong_credentials`."),
    (status = 409, body = Problem, content_type = "application/problem+json", description = "`second_factor_exists`."),
))]
pub(crate) async fn enrol_totp(
    State(app): State<App>,
    Here(present): Here,
    Making(request, asked): Making<EnrolTotp>,
) -> Answer {
    once(&app, present.asker(), asked, move |app| async move {
        let work = |app: App| async move { app.control.enrol_totp(&present, request.password).await };
        let enrolment = app.finish(work).await?;
        let view = EnrolmentView { secret: enrolment.secret, uri: enrolment.uri };
        Ok(secret_json(StatusCode::CREATED, &view))
    })
    .await
}

/// Confirm the secret with a code. From now on signing in takes one.
#[utoipa::path(post, path = "/api/v1/auth/totp/confirm", tag = "sessions", request_body = ConfirmTotp, responses(
    (status = 200, body = RecoveryCodes, description = "Codes for the loss of the authenticator, shown this once."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "There is nothing to confirm."),
))]
pub(crate) async fn confirm_totp(
    State(app): State<App>,
    Here(present): Here,
    Json(request): Json<ConfirmTotp>,
) -> Answer {
    let recovery_codes = app.control.confirm_totp(&present, &request.code).await?;
    Ok(secret_json(StatusCode::OK, &RecoveryCodes { recovery_codes }))
}

/// Remove your second factor, which takes the password and a code or a recovery code.
#[utoipa::path(delete, path = "/api/v1/auth/totp", tag = "sessions", request_body = RemoveTotp, responses(
    (status = 204, description = "It is removed."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "Not signed in, `wrong_credentials` or `second_factor_required`."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "You have none."),
))]
pub(crate) async fn remove_totp(
    State(app): State<App>,
    Here(present): Here,
    Json(request): Json<RemoveTotp>,
) -> Answer<StatusCode> {
    let shown = shown_factor(request.code, request.recovery_code)?;
    let password = request.password;
    app.finish(|app: App| async move { app.control.remove_totp(&present, password, shown).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
