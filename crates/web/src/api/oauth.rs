//! Introspection and revocation as OAuth 2.0 software knows them. What goes wrong is told in its words beside ours.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_bearer::{Credential, is_jwt};
use keystile_core::{Ask, Code, Refusal, Requirement, Secret, TenantId};
use keystile_wire::{IntrospectRequest, Introspection, Problem, RevokeTokenRequest};

use super::asking::tenant_of;
use super::json;
use super::verification::verdict;
use crate::body::read_form;
use crate::extract::{find_credential, origin, perhaps_caller};
use crate::metrics::Face;
use crate::problem::{ApiProblem, UNSUPPORTED_TOKEN_TYPE};
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
    let basic = basic_key(&parts.headers);
    let credential = match (find_credential(&parts.headers, &app)?, &basic) {
        (Some(_), Some(_)) => return Err(refused(Code::AmbiguousCredentials).into()),
        (Some(credential), None) => credential,
        (None, Some(key)) => Credential::Key(key.expose()),
        (None, None) => return Err(ApiProblem::unauthenticated().into()),
    };
    let tenant_id = tenant_of(&app, credential, origin(&parts)).await?;
    let request: IntrospectRequest = read_form(&parts.headers, body, &app.reading).await?;
    let mut response = json(StatusCode::OK, &introspection(&app, &request, tenant_id).await?);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn introspection(
    app: &App,
    request: &IntrospectRequest,
    tenant_id: TenantId,
) -> Result<Introspection, ApiProblem> {
    let permissions = request.permissions()?;
    let ask = Ask {
        tenant_id: Some(tenant_id),
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
    let (mut parts, body) = request.into_parts();
    let (origin, caller) = (origin(&parts), perhaps_caller(&mut parts, &app).await?);
    let RevokeTokenRequest { token, .. } = read_form(&parts.headers, body, &app.reading).await?;
    if is_jwt(token.expose()) {
        let detail = "a token ends within the hour, and at once with its key or its session: revoke the key or the refresh token";
        return Err(ApiProblem::new(StatusCode::BAD_REQUEST, UNSUPPORTED_TOKEN_TYPE, detail).into());
    }
    let found = app.verifier.key_of(token.expose()).await?;
    if let Some(key) = found {
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

/// The password of `Authorization: Basic`, which much introspecting software cannot do without. Whom the user name names does
/// not matter: the key says who asks.
fn basic_key(headers: &HeaderMap) -> Option<Secret> {
    let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("Basic").then(|| STANDARD.decode(encoded.trim()))?;
    let text = Secret::new(String::from_utf8(decoded.ok()?).ok()?);
    text.expose().split_once(':').map(|(_, password)| Secret::new(password))
}
