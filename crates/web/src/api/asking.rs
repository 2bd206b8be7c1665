//! Who may ask whether keys are good.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use keystile_bearer::{ClientIp, Credential, RequestId};
use keystile_core::permission::Requirement;
use keystile_core::{Ask, Permission, TenantId};
use keystile_manage::{Bearer, Origin, Right};
use tracing::Instrument;

use crate::extract::{good, origin, read_credential, read_headers};
use crate::problem::ApiProblem;
use crate::service::in_request;
use crate::state::App;

/// The tenant of whoever asks: a key that may verify, a token made from one, or a developer.
pub(crate) struct Asking(pub(crate) TenantId);

impl FromRequestParts<App> for Asking {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        tenant_of(app, read_credential(parts, app)?, origin(parts)).await.map(Self)
    }
}

pub(super) async fn tenant_of(
    app: &App,
    credential: Credential<'_>,
    origin: Origin,
) -> Result<TenantId, ApiProblem> {
    match credential {
        Credential::Key(key) => tenant_of_key(app, key, origin.ip).await,
        Credential::Token(token) => tenant_of_bearer(app, token, origin).await,
    }
}

/// The same, for what does not pass the router.
pub(super) async fn asking_tenant(
    app: &App,
    headers: &HeaderMap,
    client: ClientIp,
    request_id: &RequestId,
) -> Result<TenantId, ApiProblem> {
    match read_headers(headers, app)? {
        Credential::Key(key) => tenant_of_key(app, key, client.0).await,
        Credential::Token(token) => {
            let origin = Origin { ip: client.0, request_id: Some(request_id.as_str().to_owned()) };
            Box::pin(tenant_of_bearer(app, token, origin).instrument(in_request(request_id))).await
        }
    }
}

/// Whoever asks is counted against no limit: the request that they ask for is.
async fn tenant_of_key(app: &App, key: &str, ip: Option<IpAddr>) -> Result<TenantId, ApiProblem> {
    let right = right(ip);
    let verdict = match app.verifier.try_identify(key, &right) {
        Ok(verdict) => verdict,
        Err(cold) => Box::pin(app.verifier.identify_cold(cold, &right)).await,
    };
    good(app, verdict).map(|key| key.tenant_id())
}

async fn tenant_of_bearer(app: &App, token: &str, origin: Origin) -> Result<TenantId, ApiProblem> {
    let bearer = app.control.check_token(token)?;
    if let Bearer::Automation(automation) = &bearer {
        let verdict = app.verifier.identify_held(automation.key().digest, &right(origin.ip)).await;
        return good(app, verdict).map(|key| key.tenant_id());
    }
    let tenant_id = bearer.tenant_id().ok_or_else(|| ApiProblem::not_found("tenant"))?;
    let caller = app.control.enter(&bearer, tenant_id, origin).await?;
    caller.require(Right::VerifyKeys)?;
    Ok(tenant_id)
}

/// What the key of whoever asks must be good for.
const fn right(ip: Option<IpAddr>) -> Ask<'static> {
    Ask { ip, permissions: Requirement::All(&[Permission::VERIFY_KEYS]), ..Ask::ANYTHING }
}
