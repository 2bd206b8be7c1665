//! Signing in.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::StatusCode;
use keystile_core::TenantId;
use keystile_manage::{AccessToken, TOKEN_LIFETIME};
use keystile_wire::{Nothing, Problem, TokenAnswer, TokenRequest};

use super::{Answer, secret_json};
use crate::credential::Credential;
use crate::extract::{Json, OptionalJson, check_key, find_credential, origin};
use crate::state::App;

/// Sign in with email address and password; or, with `Authorization: ApiKey …` and no body, exchange an application's
/// API key for a token that acts for the application and dies with the key.
#[utoipa::path(post, path = "/api/v1/auth/token", tag = "sessions", security((), ("bearer" = []), ("api_key" = [])),
    request_body = Option<TokenRequest>, responses(
    (status = 200, body = TokenAnswer, description = "A token for an hour."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "401 `wrong_credentials`, a key that is refused, or a request that breaks a rule."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now."),
))]
pub(crate) async fn create_token(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let key = match find_credential(&parts.headers, &app)? {
        Some(Credential::Key(presented)) => {
            let origin = origin(&parts);
            Some((check_key(&app, presented, origin.ip).await?, origin))
        }
        Some(Credential::Token(_)) | None => None,
    };
    let request = Request::from_parts(parts, body);
    if let Some((key, origin)) = key {
        OptionalJson::<Nothing>::from_request(request, &app).await?;
        let token = app.control.exchange_key(key.tenant_id(), key.id(), &origin).await?;
        return Ok(answer(token, Some(key.tenant_id())));
    }
    let Json(request) = Json::<TokenRequest>::from_request(request, &app).await?;
    // An address that cannot be one is answered like one that is not known.
    let email = request.email.parse().ok();
    let (token, tenant_id) = app.control.sign_in(email, request.password, request.tenant_id).await?;
    Ok(answer(token, tenant_id))
}

fn answer(token: AccessToken, tenant_id: Option<TenantId>) -> Response {
    let answer = TokenAnswer {
        access_token: token.0,
        token_type: "Bearer".to_owned(),
        expires_in: TOKEN_LIFETIME.as_secs(),
        tenant_id,
    };
    secret_json(StatusCode::OK, &answer)
}
