//! Forward authentication: a gateway passes the original request's headers and obeys the status.

mod original;

use std::fmt::{self, Display, Write as _};
use std::sync::Arc;

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use keystile_core::permission::{MAX_COUNT, Requirement};
use keystile_core::route::Table;
use keystile_core::{ApplicationId, Ask, Code, Environment, Grant, Invalid, Permission, Refusal};
use keystile_verify::{CachedKey, Verdict};
use keystile_wire::Problem;

use self::original::{Demand, Stop, demand, missing_environment};
use crate::api::verification::verdict;
use crate::client_ip::ClientIp;
use crate::credential::Credential;
use crate::extract::read_headers;
use crate::problem::ApiProblem;
use crate::rate_fields::{LeftItem, PolicyItem, RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::state::App;

/// Where this is mounted; the application's id follows.
pub(crate) const PATH: &str = "/api/v1/authz/";

const KEY_ID: HeaderName = HeaderName::from_static("x-keystile-key-id");
const TENANT_ID: HeaderName = HeaderName::from_static("x-keystile-tenant-id");
const APPLICATION_ID: HeaderName = HeaderName::from_static("x-keystile-application-id");
const CUSTOMER_ID: HeaderName = HeaderName::from_static("x-keystile-customer-id");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-keystile-environment");
const SOURCE_ID: HeaderName = HeaderName::from_static("x-keystile-source-id");
const TRUST_LEVEL: HeaderName = HeaderName::from_static("x-keystile-trust-level");
const SCOPES: HeaderName = HeaderName::from_static("x-keystile-scopes");

const EMPTY: HeaderValue = HeaderValue::from_static("");
/// Room for three ids, a source and some scopes, so that their buffer is not grown while they are written.
const USUAL_VALUES: usize = 256;

/// What the gateway's configuration says of the protected place, in the URL.
struct Place<'a> {
    application_id: ApplicationId,
    environment: Option<Environment>,
    permissions: Vec<std::borrow::Cow<'a, str>>,
}

/// May the original request pass? Any method; the answer is in the status and, for a yes, in identity headers.
#[utoipa::path(method(get, head, post, put, patch, delete, options), path = "/api/v1/authz/{application_id}", tag = "verification",
    params(
        ("application_id" = String, Path, description = "The application that is protected."),
        ("environment" = Option<String>, Query, description = "The environment that is protected. Required, unless the application's routing tells it."),
        ("permission" = Option<Vec<String>>, Query, description = "Permissions that are needed; may be repeated."),
    ),
    responses(
    (status = 200, description = "Yes; `X-Keystile-…` headers say who it is."),
    (status = "4XX", body = Problem, content_type = "application/problem+json", description = "No: 401 or 403. 400 for two credentials, or for an environment that is missing."),
    (status = "5XX", body = Problem, content_type = "application/problem+json", description = "Not now; let nothing pass."),
))]
pub(crate) async fn authorize(
    app: &App,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    client: ClientIp,
) -> Result<Response<()>, ApiProblem> {
    let place = Place::parse(path, query)?;
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
        None => Box::pin(read_routing(app, key, &ask, place.application_id)).await?,
    };
    let verdict = match table {
        Some(table) => routed(app, key, ask, &needed, &table, headers).await?,
        None if place.environment.is_none() => return Err(missing_environment()),
        None => verdict(app, key, &ask).await,
    };
    if let Err(refusal) = &verdict.outcome {
        return Err(ApiProblem::decision(refusal));
    }
    let key = verdict.key.as_deref().ok_or_else(ApiProblem::unauthenticated)?;
    Ok(identity(key, &verdict))
}

/// Asks what the route of the original request needs, and what the gateway asks for besides.
async fn routed(
    app: &App,
    key: &str,
    ask: Ask<'_>,
    needed: &[Permission<'_>],
    table: &Table,
    headers: &HeaderMap,
) -> Result<Verdict, ApiProblem> {
    let Demand { environment, route } = match demand(table, ask.environment, headers) {
        Ok(demand) => demand,
        Err(Stop::Untold(problem)) => return Err(problem),
        Err(Stop::Barrier(barrier)) => {
            check_all_else(app, key, &ask).await?;
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
) -> Result<Option<Arc<Table>>, ApiProblem> {
    app.verifier.look(key, ask).await.map_err(|refusal| ApiProblem::decision(&refusal))?;
    let unavailable = |_| ApiProblem::decision(&Refusal::Plain(Code::EnforcementUnavailable));
    app.verifier.routing(application_id).await.map_err(unavailable)
}

/// Whether the key could do what is asked if it had every permission, which no key has: a refusal that follows from the
/// routing is counted as one for a permission. It counts against no limit, as that is refused before.
async fn check_all_else(app: &App, key: &str, ask: &Ask<'_>) -> Result<(), ApiProblem> {
    let ask = Ask { permissions: Requirement::IMPOSSIBLE, ..*ask };
    match verdict(app, key, &ask).await.outcome {
        Ok(()) | Err(Refusal::PermissionDenied { .. }) => Ok(()),
        Err(refusal) => Err(ApiProblem::decision(&refusal)),
    }
}

impl<'a> Place<'a> {
    fn parse(path: &str, query: &'a str) -> Result<Self, ApiProblem> {
        let application_id = path.strip_prefix(PATH).and_then(|id| id.parse().ok());
        let application_id = application_id.ok_or_else(|| ApiProblem::not_found("application"))?;
        let (mut environment, mut permissions) = (None, Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "environment" if environment.is_some() => {
                    return Err(Invalid::new("environment", "stands here twice").into());
                }
                "environment" => {
                    environment = Some(value.parse().map_err(|invalid: Invalid| invalid.at("environment")));
                }
                "permission" => permissions.push(value),
                other => {
                    return Err(Invalid::new(other.to_owned(), "is not a parameter here").into());
                }
            }
        }
        let environment = environment.transpose()?;
        Ok(Self { application_id, environment, permissions })
    }

    fn needed(&self) -> Result<Vec<Permission<'_>>, ApiProblem> {
        let refused = |invalid: Invalid| ApiProblem::from(invalid.at("permission"));
        if self.permissions.len() > MAX_COUNT {
            return Err(refused(Invalid::rule(format!("must not stand here more than {MAX_COUNT} times"))));
        }
        self.permissions.iter().map(|text| Permission::parse(text).map_err(refused)).collect()
    }
}

/// Every header is there on every yes, so that one the client forged is always overwritten.
fn identity(key: &CachedKey, verdict: &Verdict) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(ENVIRONMENT, HeaderValue::from_static(key.environment().as_str()));
    headers.insert(TRUST_LEVEL, HeaderValue::from_static(key.trust_level().as_str()));
    let mut values = Values(BytesMut::with_capacity(USUAL_VALUES));
    headers.insert(KEY_ID, values.take(key.id()));
    headers.insert(TENANT_ID, values.take(key.tenant_id()));
    headers.insert(APPLICATION_ID, values.take(key.application_id()));
    headers.insert(CUSTOMER_ID, key.customer_id().map_or(EMPTY, |id| values.take(id)));
    headers.insert(SOURCE_ID, key.source_id().map_or(EMPTY, |id| values.take(id)));
    headers.insert(SCOPES, values.take_list(" ", key.scopes().iter().map(Grant::as_str)));
    if verdict.limits().next().is_some() {
        let policies = verdict.limits().map(|left| PolicyItem(left.owner, left.rate));
        headers.insert(RATE_LIMIT_POLICY, values.take_list(", ", policies));
        headers.insert(RATE_LIMIT, values.take_list(", ", verdict.limits().map(LeftItem)));
    }
    response
}

/// Makes header values that are parts of one buffer: one allocation instead of two for each value.
struct Values(BytesMut);

impl Values {
    fn take(&mut self, value: impl Display) -> HeaderValue {
        self.take_list("", std::iter::once(value))
    }

    /// The items with `between` between them. What cannot stand in a header is left out.
    fn take_list(&mut self, between: &str, items: impl Iterator<Item = impl Display>) -> HeaderValue {
        let mut before = "";
        let written = items.into_iter().try_for_each(|item| {
            write!(self.0, "{before}{item}")?;
            before = between;
            Ok(())
        });
        let value = HeaderValue::from_maybe_shared(self.0.split().freeze());
        written.and(value.map_err(|_| fmt::Error)).unwrap_or(EMPTY)
    }
}
