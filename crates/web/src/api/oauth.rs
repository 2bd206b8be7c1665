//! Introspection and revocation as OAuth 2.0 software knows them. What goes wrong is told in its words beside ours.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_bearer::{Credential, RequestId, is_jwt};
use keystile_core::{Ask, Code, KeyStatus, LogFace, Refusal, Requirement, Secret};
use keystile_wire::{IntrospectRequest, Introspection, Problem, RevokeTokenRequest};

use super::asking::asker_of;
use super::json;
use super::verification::verdict;
use crate::body::{MAX_EARLY, read_form};
use crate::extract::{caller_in_own_tenant, find_credential, needed, origin};
use crate::metrics::Face;
use crate::problem::{ApiProblem, UNSUPPORTED_TOKEN_TYPE};
use crate::request_log::{Asked, Asker, Noted};
use crate::state::App;

/// How refresh tokens begin.
const REFRESH_TOKEN: &str = "rt_";

/// Anything that goes wrong here.
pub(crate) struct OauthProblem(ApiProblem);

impl<P: Into<ApiProblem>> From<P> for OauthProblem {
    fn from(problem: P) -> Self {
        Self(problem.into().in_oauth_words())
    }
}

impl IntoResponse for OauthProblem {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// Is this API key active? (RFC 7662) The same decision as `POST /api/v1/keys/verify`, counted against no limit. Asked by a developer or a
/// key that may verify, which may also be sent as the password of `Authorization: Basic`. Tokens of people and keys are checked with
/// `/.well-known/jwks.json`, and are not active here.
#[utoipa::path(post, path = "/oauth2/introspect", tag = "verification",
    request_body(content = IntrospectRequest, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, body = Introspection, description = "Whether it is, and of an active one what it is."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The token is for no tenant."),
    (status = 415, body = Problem, content_type = "application/problem+json", description = "The body is not declared as a form."),
))]
pub(crate) async fn introspect(State(app): State<App>, request: Request) -> Result<Response, OauthProblem> {
    let (parts, body) = request.into_parts();
    let mut basic = None;
    let credential = needed(credential(&parts.headers, &mut basic, &app), &app)?;
    let asker = asker_of(&app, credential, &parts).await?;
    let request: IntrospectRequest = read_form(&parts.headers, body, &app.reading, MAX_EARLY).await?;
    let mut response = json(StatusCode::OK, &introspection(&app, &request, &asker, &parts).await?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn introspection(
    app: &App,
    request: &IntrospectRequest,
    asker: &Asker,
    parts: &Parts,
) -> Result<Introspection, ApiProblem> {
    let request_id = parts.extensions.get::<RequestId>().ok_or_else(ApiProblem::internal)?;
    let asked = Asked::begin(LogFace::Introspection, &parts.headers, request_id);
    let permissions = request.permissions()?;
    let ask = Ask {
        tenant_id: Some(asker.tenant_id),
        environment: request.environment,
        application_id: request.application_id,
        ip: request.ip,
        customer_id: request.customer_id,
        permissions: Requirement::All(&permissions),
        cost: 0,
        ..Ask::ANYTHING
    };
    let verdict = verdict(app, request.token.expose(), &ask).await;
    app.metrics.decided(Face::Introspection, verdict.code());
    asked.decided(app, asker, (&verdict, &ask), None);
    Noted::of(parts).nothing_more();
    if verdict.code() == Code::EnforcementUnavailable {
        // Whether it is active is not known.
        return Err(refused(Code::EnforcementUnavailable));
    }
    let active = verdict.key.as_deref().filter(|_| verdict.is_allowed());
    Ok(active.map_or_else(Introspection::default, |key| Introspection::active(&key.facts())))
}

/// Ends an API key, or the session of a refresh token, for good (RFC 7009). Its text is all that it takes, so that whoever finds a leaked key can end
/// it; a credential beside it has to be good, and is named in the audit log if it is of the key's tenant. When this answers, the key is refused
/// everywhere. A text that is nobody's is answered alike.
#[utoipa::path(post, path = "/oauth2/revoke", tag = "verification", security((), ("bearer" = []), ("api_key" = [])),
    request_body(content = RevokeTokenRequest, content_type = "application/x-www-form-urlencoded"), responses(
    (status = 200, description = "It is good for nothing any more."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The token is for no tenant."),
    (status = 415, body = Problem, content_type = "application/problem+json", description = "The body is not declared as a form."),
))]
pub(crate) async fn revoke_token(
    State(app): State<App>,
    request: Request,
) -> Result<StatusCode, OauthProblem> {
    let (parts, body) = request.into_parts();
    let origin = origin(&parts);
    let mut basic = None;
    let caller = match credential(&parts.headers, &mut basic, &app)? {
        Some(credential) => Some(caller_in_own_tenant(&parts, credential, &app).await?),
        None => None,
    };
    let RevokeTokenRequest { token, .. } = read_form(&parts.headers, body, &app.reading, MAX_EARLY).await?;
    if is_jwt(token.expose()) {
        let detail = "a token ends within the hour, and at once with its key or its session: revoke the key or the refresh token";
        return Err(ApiProblem::new(StatusCode::BAD_REQUEST, UNSUPPORTED_TOKEN_TYPE, detail).into());
    }
    let found = app.verifier.key_of(token.expose()).await?;
    if let Some(key) = found {
        // That is final. Whoever has a secret that leaked long ago is not to keep the database busy with it.
        if key.facts().standing == KeyStatus::Revoked {
            return Ok(StatusCode::OK);
        }
        let (key, shown) = ((key.tenant_id(), key.id()), token.digest());
        app.commit(async move |app: App| {
            app.control.surrender_key(key, shown, caller.as_ref(), &origin).await
        })
        .await?;
    } else if token.expose().starts_with(REFRESH_TOKEN) {
        app.finish(async move |app: App| app.control.surrender_session(&token, &origin).await).await?;
    }
    Ok(StatusCode::OK)
}

fn refused(code: Code) -> ApiProblem {
    ApiProblem::decision(&Refusal::Plain(code))
}

/// The one credential, if there is one: what carries it elsewhere, or the key that stands in `Authorization: Basic`. The same in two places
/// is one. `basic` keeps that key.
fn credential<'a>(
    headers: &'a HeaderMap,
    basic: &'a mut Option<Secret>,
    app: &App,
) -> Result<Option<Credential<'a>>, ApiProblem> {
    *basic = basic_key(headers)?;
    match (find_credential(headers, app)?, basic.as_ref()) {
        (Some(found), Some(key)) if found.text() != key.expose() => Err(refused(Code::AmbiguousCredentials)),
        (found, basic) => Ok(found.or_else(|| basic.map(|key| Credential::Key(key.expose())))),
    }
}

/// The password of `Authorization: Basic`, which much OAuth 2.0 software cannot do without. Whom the user name names does
/// not matter: the key says who asks.
fn basic_key(headers: &HeaderMap) -> Result<Option<Secret>, ApiProblem> {
    let mut found: Option<Secret> = None;
    for value in headers.get_all(AUTHORIZATION) {
        let Some(encoded) = of_basic(value) else { continue };
        let key = password(encoded).ok_or_else(|| refused(Code::KeyMalformed))?;
        if found.as_ref().is_some_and(|first| first.expose() != key.expose()) {
            return Err(refused(Code::AmbiguousCredentials));
        }
        found = Some(key);
    }
    Ok(found)
}

fn of_basic(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?.trim();
    let (scheme, encoded) = text.split_once(' ').unwrap_or((text, ""));
    scheme.eq_ignore_ascii_case("Basic").then(|| encoded.trim())
}

fn password(encoded: &str) -> Option<Secret> {
    let text = Secret::new(String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?);
    text.expose().split_once(':').map(|(_, password)| Secret::new(password))
}
