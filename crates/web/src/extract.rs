//! What handlers take: checked values and proof of who calls.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use http::header::IF_MATCH;
use http::request::Parts;
use keystile_bearer::{ClientIp, Credential, RequestId};
use keystile_core::event::EntityName;
use keystile_core::{Ask, Invalid, PermissionName, TenantId};
use keystile_manage::{Bearer, Caller, HeldKey, Lacking, Origin, Present, Refused, SignedIn, VersionGuard};
use keystile_verify::{CachedKey, Verdict};
use serde::de::DeserializeOwned;

use crate::body::{MAX_BODY, MAX_EARLY, parse_fields, read_optional, read_whole};
use crate::metrics::Face;
use crate::problem::ApiProblem;
use crate::request_log::Noted;
use crate::state::App;
use crate::traces::Traced;

/// A JSON body of at most `LONGEST` bytes.
pub(crate) struct Json<T, const LONGEST: usize = MAX_BODY>(pub(crate) T);

impl<T: DeserializeOwned, const LONGEST: usize> FromRequest<App> for Json<T, LONGEST> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, body) = request.into_parts();
        read_whole(&parts.headers, body, &app.reading, LONGEST).await.map(|(value, _)| Self(value))
    }
}

/// The body of somebody who is not known yet.
pub(crate) type EarlyJson<T> = Json<T, MAX_EARLY>;

/// A JSON body that may be left out.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<App> for OptionalJson<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, body) = request.into_parts();
        let read = read_optional(&parts.headers, body, &app.reading, MAX_BODY).await;
        read.map(|(value, _)| Self(value))
    }
}

/// The query string.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiProblem> {
        parse_fields(parts.uri.query().unwrap_or_default().as_bytes()).map(Self)
    }
}

/// A person who signed in, and whose session lasts.
pub(crate) struct Person(pub(crate) SignedIn);

impl FromRequestParts<App> for Person {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let signed_in = read_person(parts, app).await?;
        app.control.arrive(&signed_in, origin(parts)).await?;
        Ok(Self(signed_in))
    }
}

/// The same, who acts for themselves.
pub(crate) struct Here(pub(crate) Present);

impl FromRequestParts<App> for Here {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let signed_in = read_person(parts, app).await?;
        Ok(Self(app.control.arrive(&signed_in, origin(parts)).await?))
    }
}

/// Where a request came from.
pub struct CameFrom(pub Origin);

impl FromRequestParts<App> for CameFrom {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        Ok(Self(origin(parts)))
    }
}

async fn read_person(parts: &Parts, app: &App) -> Result<SignedIn, ApiProblem> {
    match Known::of(parts, app).await? {
        Known::Person(signed_in) => Ok(signed_in),
        Known::Key(_) => Err(Refused::Forbidden(Lacking::Person).into()),
    }
}

/// The key, if it can be used now and from there.
pub(crate) async fn check_key(
    parts: &Parts,
    presented: &str,
    app: &App,
) -> Result<Arc<CachedKey>, ApiProblem> {
    let verdict = app.verifier.verify(presented, &Ask { ip: ip_of(parts), ..Ask::ANYTHING }).await;
    Noted::of(parts).key_of(&verdict);
    good(app, verdict)
}

/// The key of a good verdict on who calls.
pub(crate) fn good(app: &App, verdict: Verdict) -> Result<Arc<CachedKey>, ApiProblem> {
    app.metrics.decided(Face::Caller, verdict.code());
    verdict.outcome.map_err(|refusal| ApiProblem::decision(&refusal))?;
    verdict.key.ok_or_else(ApiProblem::unauthenticated)
}

/// The key that was found good, as what the control plane lets in.
pub(crate) fn held(key: &CachedKey) -> HeldKey {
    HeldKey { tenant_id: key.tenant_id(), key_id: key.id(), digest: *key.digest() }
}

/// Somebody who may act in the tenant that the path names: a member, or automation with a key of it.
pub(crate) struct Member(pub(crate) Caller);

impl FromRequestParts<App> for Member {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        // Who is not known is told that first, and nothing about tenants.
        let known = Known::of(parts, app).await?;
        let tenant_id: TenantId = path_id(parts, app, "tenant_id", "tenant").await?;
        let caller = known.enter(tenant_id, origin(parts), app).await?;
        note_caller(parts, &caller);
        Ok(Self(caller))
    }
}

/// The span of the request tells the tenant, once its caller is known to be of it, and the log tells who it was.
pub fn note_caller(parts: &Parts, caller: &Caller) {
    if let Some(traced) = parts.extensions.get::<Traced>() {
        traced.in_tenant(caller.tenant_id());
    }
    Noted::of(parts).caller(caller);
}

/// Somebody who may act in the tenant that the credential is for, where the path names none.
pub(crate) struct InOwnTenant(pub(crate) Caller);

impl FromRequestParts<App> for InOwnTenant {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        caller_in_own_tenant(parts, read_credential(parts, app)?, app).await.map(Self)
    }
}

/// The same, by a credential that was read already.
pub(crate) async fn caller_in_own_tenant(
    parts: &Parts,
    credential: Credential<'_>,
    app: &App,
) -> Result<Caller, ApiProblem> {
    let known = Known::by(credential, parts, app).await?;
    let tenant_id = match &known {
        Known::Person(person) => person.tenant_id().ok_or_else(|| ApiProblem::not_found("tenant"))?,
        Known::Key(key) => key.tenant_id(),
    };
    let caller = known.enter(tenant_id, origin(parts), app).await?;
    note_caller(parts, &caller);
    Ok(caller)
}

/// Who sent a request.
enum Known {
    Person(SignedIn),
    /// Whoever holds a key, which may be used now, or a token that was made from it.
    Key(Arc<CachedKey>),
}

impl Known {
    async fn of(parts: &Parts, app: &App) -> Result<Self, ApiProblem> {
        Self::by(read_credential(parts, app)?, parts, app).await
    }

    async fn by(credential: Credential<'_>, parts: &Parts, app: &App) -> Result<Self, ApiProblem> {
        Ok(match credential {
            Credential::Token(token) => match app.control.check_token(token)? {
                Bearer::Person(signed_in) => Self::Person(signed_in),
                Bearer::Automation(automation) => {
                    let ask = Ask { ip: ip_of(parts), ..Ask::ANYTHING };
                    let verdict = app.verifier.verify_held(automation.key().digest, &ask).await;
                    Noted::of(parts).key_of(&verdict);
                    Self::Key(good(app, verdict)?)
                }
            },
            Credential::Key(key) => Self::Key(check_key(parts, key, app).await?),
        })
    }

    async fn enter(self, tenant_id: TenantId, origin: Origin, app: &App) -> Result<Caller, ApiProblem> {
        Ok(match self {
            Self::Person(signed_in) => {
                app.control.enter(&Bearer::Person(signed_in), tenant_id, origin).await?
            }
            Self::Key(key) => app.control.enter_with_key(held(&key), tenant_id, origin).await?,
        })
    }
}

/// An id in the path. One that is malformed names nothing, so it is not found.
pub struct PathId<Id>(pub Id);

macro_rules! path_ids {
    ($( $id:ty, $parameter:literal, $what:literal; )+) => {
        $(impl FromRequestParts<App> for PathId<$id> {
            type Rejection = ApiProblem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
                path_id(parts, app, $parameter, $what).await.map(Self)
            }
        })+
    };
}

path_ids! {
    keystile_core::KeyId, "api_key_id", "API key";
    keystile_core::ApplicationId, "application_id", "application";
    keystile_core::AuditId, "audit_id", "audit entry";
    keystile_core::EventId, "event_id", "event";
    keystile_core::JobId, "job_id", "job";
    keystile_core::HoldId, "hold_id", "hold";
    keystile_core::LeakId, "leak_id", "report of a leak";
    keystile_core::LedgerId, "ledger_id", "row of the ledger";
    keystile_core::LogId, "log_id", "request in the log";
    keystile_core::PersonId, "person_id", "member";
    keystile_core::SessionId, "session_id", "session";
    keystile_core::CustomerId, "customer_id", "customer";
    keystile_core::InvitationId, "invitation_id", "invitation";
    keystile_core::ProviderId, "provider_id", "provider";
    keystile_core::ModelId, "model_id", "model";
    keystile_core::WebhookId, "webhook_id", "webhook";
}

/// The name of an entity in the path. One that no entity can have names nothing.
pub struct PathEntity(pub EntityName);

impl FromRequestParts<App> for PathEntity {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let unknown = || ApiProblem::not_found("entity");
        let parameters = RawPathParams::from_request_parts(parts, app).await.map_err(|_| unknown())?;
        let part = |sought: &str| {
            parameters
                .iter()
                .find_map(|(name, text)| (name == sought).then(|| text.to_owned()))
                .unwrap_or_default()
        };
        EntityName::new(part("entity_type"), part("entity_id")).map(Self).map_err(|_| unknown())
    }
}

/// The name of a permission in the path. Unlike an id it is chosen by the caller, who is told what is wrong with it.
pub struct PathPermission(pub PermissionName);

impl FromRequestParts<App> for PathPermission {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiProblem> {
        let parameters = RawPathParams::from_request_parts(parts, app).await;
        let parameters = parameters.map_err(|_| ApiProblem::not_found("permission"))?;
        let text = parameters.iter().find_map(|(name, text)| (name == "permission").then_some(text));
        let name = text.unwrap_or_default().parse();
        name.map(Self).map_err(|invalid: Invalid| invalid.at("permission").into())
    }
}

/// The id under the name `parameter` in the path; one that is malformed is of no `what`.
pub async fn path_id<Id: FromStr>(
    parts: &mut Parts,
    app: &App,
    parameter: &str,
    what: &str,
) -> Result<Id, ApiProblem> {
    let parameters =
        RawPathParams::from_request_parts(parts, app).await.map_err(|_| ApiProblem::not_found(what))?;
    let text = parameters.iter().find_map(|(name, text)| (name == parameter).then_some(text));
    text.and_then(|text| text.parse().ok()).ok_or_else(|| ApiProblem::not_found(what))
}

/// `If-Match: "3"`: the version the caller read.
pub(crate) struct IfMatch(pub(crate) VersionGuard);

impl FromRequestParts<App> for IfMatch {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiProblem> {
        let Some(value) = parts.headers.get(IF_MATCH) else { return Ok(Self(VersionGuard(None))) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(Self(VersionGuard(None)));
        }
        let version = text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .and_then(|digits| digits.parse().ok());
        match version {
            Some(version) => Ok(Self(VersionGuard(Some(version)))),
            None => Err(Invalid::new("If-Match", "must be a version in quotes, such as `\"3\"`").into()),
        }
    }
}

impl IfMatch {
    /// The guard of a request that may name the version in its body, too.
    pub(crate) fn or_body(&self, version: Option<i64>) -> Result<VersionGuard, ApiProblem> {
        match (self.0.0, version) {
            (Some(header), Some(body)) if header != body => {
                Err(Invalid::new("version", "differs from `If-Match`").into())
            }
            (header, body) => Ok(VersionGuard(header.or(body))),
        }
    }
}

/// The one credential of a request.
pub(crate) fn read_credential<'a>(parts: &'a Parts, app: &App) -> Result<Credential<'a>, ApiProblem> {
    read_headers(&parts.headers, app)
}

/// The one credential among these headers.
pub(crate) fn read_headers<'a>(
    headers: &'a http::HeaderMap,
    app: &App,
) -> Result<Credential<'a>, ApiProblem> {
    needed(find_credential(headers, app), app)
}

/// The credential, which there has to be. That there is none to tell is a decision as well.
pub(crate) fn needed<'a>(
    found: Result<Option<Credential<'a>>, ApiProblem>,
    app: &App,
) -> Result<Credential<'a>, ApiProblem> {
    let found = found.and_then(|credential| credential.ok_or_else(ApiProblem::unauthenticated));
    found.inspect_err(|problem| app.metrics.refused(Face::Caller, problem))
}

/// The one credential among these headers, if there is one.
pub(crate) fn find_credential<'a>(
    headers: &'a http::HeaderMap,
    app: &App,
) -> Result<Option<Credential<'a>>, ApiProblem> {
    keystile_bearer::read_credential(headers, &app.settings.key_headers).map_err(ApiProblem::unreadable)
}

/// Where a request came from, for the audit log.
pub fn origin(parts: &Parts) -> Origin {
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.as_str().to_owned());
    Origin { ip: ip_of(parts), request_id }
}

fn ip_of(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ClientIp>().and_then(|client| client.0)
}
