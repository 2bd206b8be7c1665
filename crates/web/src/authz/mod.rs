//! May the original request pass a gateway? One decision for all gateways, whichever way they ask: by HTTP (`forward`) or, as
//! Envoy can, by gRPC (`envoy`). The ways only read the question and write the answer.

pub(crate) mod envoy;
pub(crate) mod forward;
mod identity;
mod log;
mod original;
mod place;

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use keystile_bearer::{ClientIp, Credential};
use keystile_core::permission::Requirement;
use keystile_core::route::{Route, Table};
use keystile_core::{ApplicationId, Ask, Code, Environment, Permission, Refusal};
use keystile_verify::{CachedKey, Verdict};

use self::original::{Demand, Original, Stop, demand, foretell, missing_environment};
use self::place::Place;
use crate::api::verification::verdict;
use crate::extract::read_headers;
use crate::problem::ApiProblem;
use crate::state::App;

/// What a gateway asks.
struct Question<'a> {
    place: Place<'a>,
    /// The request that the gateway asks about.
    original: Original<'a>,
    /// Its headers, one of which has the credential.
    headers: &'a HeaderMap,
    client: ClientIp,
}

/// What the routing of an application says of a request before one is made: its route, and the environment unless the
/// gateway has to name it; or why no key may make it.
pub fn foretold<'t>(
    table: &'t Table,
    (method, target, host): (&str, &str, &str),
) -> Result<(Option<&'t Route>, Option<Environment>), String> {
    foretell(table, &Original::Known { method, target, host }).map_err(|barrier| barrier.to_string())
}

/// Decides. Of a yes, [`identity::identity`] makes the headers that say who it is and what is left of limits.
/// Of a no, `known` is told the key, if there is one.
async fn decide(
    app: &App,
    question: &Question<'_>,
    known: &mut Option<Arc<CachedKey>>,
) -> Result<Verdict, ApiProblem> {
    let Question { place, original, headers, client } = question;
    let (Credential::Key(key) | Credential::Token(key)) = read_headers(headers, app)?;
    let needed = place.needed()?;
    let ask = Ask {
        application_id: Some(place.application_id),
        environment: place.environment,
        ip: client.0,
        permissions: Requirement::All(&needed),
        ..Ask::ANYTHING
    };
    let table = match app.verifier.try_routing(place.application_id) {
        Some(table) => table,
        None => Box::pin(read_routing(app, key, &ask, place.application_id, known)).await?,
    };
    let verdict = match table {
        Some(table) => routed(app, (key, &mut *known), ask, &needed, &table, original).await?,
        None if place.environment.is_none() => return Err(missing_environment()),
        None => verdict(app, key, &ask).await,
    };
    match &verdict.outcome {
        // Without a key there would be no headers to overwrite forged ones with.
        Ok(()) if verdict.key.is_none() => Err(ApiProblem::unauthenticated()),
        Ok(()) => Ok(verdict),
        Err(refusal) => {
            known.clone_from(&verdict.key);
            Err(ApiProblem::decision(refusal))
        }
    }
}

/// Asks what the route of the original request needs, and what the gateway asks for besides.
async fn routed(
    app: &App,
    (key, known): (&str, &mut Option<Arc<CachedKey>>),
    ask: Ask<'_>,
    needed: &[Permission<'_>],
    table: &Table,
    original: &Original<'_>,
) -> Result<Verdict, ApiProblem> {
    let Demand { environment, route } = match demand(table, ask.environment, original) {
        Ok(demand) => demand,
        Err(Stop::Untold(problem)) => return Err(problem),
        Err(Stop::Barrier(barrier)) => {
            check_all_else(app, key, &ask, known).await?;
            return Err(ApiProblem::new(StatusCode::FORBIDDEN, "permission_denied", barrier.to_string()));
        }
    };
    let own = route.map_or_else(Vec::new, |route| route.permissions.permissions());
    let permissions = route.map_or(Requirement::All(needed), |route| route.permissions.and(&own, needed));
    Ok(verdict(app, key, &Ask { environment: Some(environment), permissions, ..ask }).await)
}

/// Reads the routing, for the bearer of a good key only: nobody else makes us read, nor keep, what they invent.
async fn read_routing(
    app: &App,
    key: &str,
    ask: &Ask<'_>,
    application_id: ApplicationId,
    known: &mut Option<Arc<CachedKey>>,
) -> Result<Option<Arc<Table>>, ApiProblem> {
    let seen = app.verifier.look(key, ask).await;
    *known = seen.key;
    seen.outcome.map_err(|refusal| ApiProblem::decision(&refusal))?;
    let unavailable = |_| ApiProblem::decision(&Refusal::Plain(Code::EnforcementUnavailable));
    app.verifier.routing(application_id).await.map_err(unavailable)
}

/// Whether the key could do what is asked if it had every permission, which no key has: a refusal that follows from the
/// routing is counted as one for a permission. It counts against no limit, as that is refused before.
async fn check_all_else(
    app: &App,
    key: &str,
    ask: &Ask<'_>,
    known: &mut Option<Arc<CachedKey>>,
) -> Result<(), ApiProblem> {
    let ask = Ask { permissions: Requirement::IMPOSSIBLE, ..*ask };
    let verdict = verdict(app, key, &ask).await;
    *known = verdict.key;
    match verdict.outcome {
        Ok(()) | Err(Refusal::PermissionDenied { .. }) => Ok(()),
        Err(refusal) => Err(ApiProblem::decision(&refusal)),
    }
}
