//! Signing in, and carrying a session on.

use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::USER_AGENT;
use http::request::Parts;
use keystile_bearer::Credential;
use keystile_core::{Invalid, Secret};
use keystile_manage::{AccessToken, ShownFactor, SignIn, TOKEN_LIFETIME, Tokens};
use keystile_wire::{Nothing, Problem, RefreshRequest, TokenAnswer, TokenBody, TokenRequest};

use super::{Answer, json, secret_json};
use crate::extract::{CameFrom, EarlyJson, Json, OptionalJson, check_key, find_credential, held, origin};
use crate::state::App;

/// Sign in with email address and password, and a code if you have a second factor; or, with
/// `Authorization: ApiKey …` and no body, exchange an application's API key for a token that acts for the application and
/// dies with the key.
#[utoipa::path(post, path = "/api/v1/auth/token", tag = "sessions", security((), ("bearer" = []), ("api_key" = [])),
    request_body = Option<TokenBody>, responses(
    (status = 200, body = TokenAnswer, description = "A token for an hour, and for a person one to carry on with."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "`wrong_credentials`, `second_factor_required`, or a key that is refused."),
))]
pub(crate) async fn create_token(State(app): State<App>, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    let origin = origin(&parts);
    let key = match find_credential(&parts.headers, &app)? {
        Some(Credential::Key(presented)) => Some(check_key(&parts, presented, &app).await?),
        Some(Credential::Token(_)) | None => None,
    };
    let user_agent = user_agent(&parts);
    let request = Request::from_parts(parts, body);
    if let Some(key) = key {
        OptionalJson::<Nothing>::from_request(request, &app).await?;
        let token = app.control.exchange_key(held(&key), &origin).await?;
        return Ok(secret_json(
            StatusCode::OK,
            &TokenAnswer { tenant_id: Some(key.tenant_id()), ..of(token) },
        ));
    }
    let Json(request) = EarlyJson::<TokenRequest>::from_request(request, &app).await?;
    let attempt = SignIn {
        email: request.email.parse().ok(),
        password: request.password,
        tenant_id: request.tenant_id,
        factor: shown_factor(request.code, request.recovery_code)?,
        user_agent,
    };
    let tokens = app.finish(|app: App| async move { app.control.sign_in(attempt, &origin).await }).await?;
    Ok(pair(tokens))
}

/// Exchange a refresh token for the next pair of tokens. Each works once: one that is shown again ends the session, as it,
/// or what it was exchanged for, must be in the wrong hands.
#[utoipa::path(post, path = "/api/v1/auth/token/refresh", tag = "sessions", security(()), request_body = RefreshRequest, responses(
    (status = 200, body = TokenAnswer, description = "The next pair."),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "`refresh_token_invalid` or `session_ended`."),
))]
pub(crate) async fn refresh_token(
    State(app): State<App>,
    CameFrom(origin): CameFrom,
    Json(request): EarlyJson<RefreshRequest>,
) -> Answer {
    let token = request.refresh_token;
    let tokens = app.finish(|app: App| async move { app.control.refresh(&token, &origin).await }).await?;
    Ok(pair(tokens))
}

/// The public keys that tokens are checked with (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "sessions", security(()), responses(
    (status = 200, description = "A JWK set."),
))]
pub(crate) async fn public_keys(State(app): State<App>) -> Answer {
    Ok(json(StatusCode::OK, &app.control.public_keys()?))
}

/// What was shown beside the password.
pub(super) fn shown_factor(
    code: Option<Secret>,
    recovery_code: Option<Secret>,
) -> Answer<Option<ShownFactor>> {
    match (code, recovery_code) {
        (Some(_), Some(_)) => {
            Err(Invalid::new("recovery_code", "cannot stand beside `code`; send one").into())
        }
        (Some(code), None) => Ok(Some(ShownFactor::Code(code))),
        (None, code) => Ok(code.map(ShownFactor::RecoveryCode)),
    }
}

fn user_agent(parts: &Parts) -> Option<String> {
    parts.headers.get(USER_AGENT)?.to_str().ok().map(str::to_owned)
}

fn pair(tokens: Tokens) -> Response {
    let Tokens { access, refresh, tenant_id } = tokens;
    secret_json(StatusCode::OK, &TokenAnswer { refresh_token: Some(refresh), tenant_id, ..of(access) })
}

fn of(token: AccessToken) -> TokenAnswer {
    TokenAnswer {
        access_token: token.0,
        token_type: "Bearer".to_owned(),
        expires_in: TOKEN_LIFETIME.as_secs(),
        refresh_token: None,
        tenant_id: None,
    }
}
