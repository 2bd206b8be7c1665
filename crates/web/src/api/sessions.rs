//! Signing in.

use axum::extract::State;
use http::StatusCode;
use keystile_manage::TOKEN_LIFETIME;
use keystile_wire::{Problem, TokenAnswer, TokenRequest};

use super::{Answer, secret_json};
use crate::extract::Json;
use crate::state::App;

/// Sign in with email address and password.
#[utoipa::path(post, path = "/api/v1/auth/token", tag = "sessions", security(()), request_body = TokenRequest, responses(
    (status = 200, body = TokenAnswer, description = "A token for an hour."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "401 `wrong_credentials`, or a request that breaks a rule."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn create_token(State(app): State<App>, Json(request): Json<TokenRequest>) -> Answer {
    // An address that cannot be one is answered like one that is not known.
    let email = request.email.parse().ok();
    let (token, tenant_id) = app.control.sign_in(email, request.password, request.tenant_id).await?;
    let answer = TokenAnswer {
        access_token: token.0,
        token_type: "Bearer".to_owned(),
        expires_in: TOKEN_LIFETIME.as_secs(),
        tenant_id,
    };
    Ok(secret_json(StatusCode::OK, &answer))
}
