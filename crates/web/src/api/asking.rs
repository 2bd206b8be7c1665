//! Who may ask whether keys are good.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use keystile_bearer::{ClientIp, Credential, RequestId};
use keystile_core::permission::Requirement;
use keystile_core::{Ask, Permission};
use keystile_manage::{Bearer, Origin, Right};
use keystile_verify::{CachedKey, Verdict};
use tracing::Instrument;

use crate::extract::{good, origin, read_credential, read_headers};
use crate::problem::ApiProblem;
use crate::request_log::{Asked, Asker, Noted, Who};
use crate::service::in_request;
use crate::state::App;

/// Whoever asks: a key that may verify, a token made from one, or a developer.
pub(crate) struct Asking(pub(crate) Asker);

/// Nobody may ask so; with what is known of who it was.
struct NoAsker {
    problem: ApiProblem,
    who: Option<Box<Who>>,
}

impl<P: Into<ApiProblem>> From<P> for NoAsker {
    fn from(problem: P) -> Self {
        Self { problem: problem.into(), who: None }
    }
}

impl FromRequestParts<App> for Asking {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        asker_of(app, read_credential(parts, app)?, parts).await.map(Self)
    }
}

/// Whoever sent this credential with a request; the note of the request tells, also of one who is refused.
pub(super) async fn asker_of(
    app: &App,
    credential: Credential<'_>,
    parts: &Parts,
) -> Result<Asker, ApiProblem> {
    let (noted, origin) = (Noted::of(parts), origin(parts));
    let asker = match credential {
        Credential::Key(key) => asker_with_key(app, key, origin.ip).await,
        Credential::Token(token) => asker_with_token(app, token, origin).await,
    };
    match asker {
        Ok(asker) => {
            noted.who(asker.who.clone());
            Ok(asker)
        }
        Err(NoAsker { problem, who }) => {
            if let Some(who) = who {
                noted.who(*who);
            }
            Err(problem)
        }
    }
}

/// The same, for what does not pass the router; one who is refused is logged at once.
pub(super) async fn asker(
    app: &App,
    headers: &HeaderMap,
    client: ClientIp,
    asked: &Asked<'_>,
) -> Result<Asker, ApiProblem> {
    let request_id: &RequestId = asked.request_id;
    let asker = match read_headers(headers, app)? {
        Credential::Key(key) => asker_with_key(app, key, client.0).await,
        Credential::Token(token) => {
            let origin = Origin { ip: client.0, request_id: Some(request_id.as_str().to_owned()) };
            Box::pin(asker_with_token(app, token, origin).instrument(in_request(request_id))).await
        }
    };
    asker.map_err(|NoAsker { problem, who }| {
        if let Some(who) = who {
            asked.refused(app, &who, client, &problem);
        }
        problem
    })
}

/// Whoever asks is counted against no limit: the request that they ask for is.
async fn asker_with_key(app: &App, key: &str, ip: Option<IpAddr>) -> Result<Asker, NoAsker> {
    let right = right(ip);
    let verdict = match app.verifier.try_identify(key, &right) {
        Ok(verdict) => verdict,
        Err(cold) => Box::pin(app.verifier.identify_cold(cold, &right)).await,
    };
    of_verdict(app, verdict)
}

fn of_verdict(app: &App, verdict: Verdict) -> Result<Asker, NoAsker> {
    let refused = if verdict.is_allowed() { None } else { verdict.key.clone() };
    let asker = |key: Arc<CachedKey>| Asker { tenant_id: key.tenant_id(), who: Who::Key(key) };
    good(app, verdict).map(asker).map_err(|problem| {
        let who = refused.map(|key| Box::new(Who::Key(key)));
        NoAsker { problem, who }
    })
}

async fn asker_with_token(app: &App, token: &str, origin: Origin) -> Result<Asker, NoAsker> {
    let bearer = app.control.check_token(token)?;
    if let Bearer::Automation(automation) = &bearer {
        let verdict = app.verifier.identify_held(automation.key().digest, &right(origin.ip)).await;
        return of_verdict(app, verdict);
    }
    let tenant_id = bearer.tenant_id().ok_or_else(|| ApiProblem::not_found("tenant"))?;
    let caller = app.control.enter(&bearer, tenant_id, origin).await?;
    let person = caller.actor().person().ok_or_else(ApiProblem::unauthenticated)?;
    let who = Who::Person(tenant_id, person);
    match caller.require(Right::VerifyKeys) {
        Ok(()) => Ok(Asker { tenant_id, who }),
        Err(refused) => Err(NoAsker { problem: refused.into(), who: Some(Box::new(who)) }),
    }
}

/// What the key of whoever asks must be good for.
const fn right(ip: Option<IpAddr>) -> Ask<'static> {
    Ask { ip, permissions: Requirement::All(&[Permission::VERIFY_KEYS]), ..Ask::ANYTHING }
}
