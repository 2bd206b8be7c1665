//! Proof that somebody may act in a tenant.

use keystile_measure::SPANS;
use std::net::IpAddr;
use tracing::instrument;

use keystile_core::{
    Actor, AllowedIps, ApiKey, ApplicationId, Ask, Code, CustomerId, Environment, Grants, KeyFacts, KeyId,
    KeyKind, Limits, NanoUsd, Permission, Refusal, Role, TenantId, Timestamp, TrustLevel, decide,
};
use keystile_store::Entrance;

use crate::{Bearer, ControlPlane, HeldKey, Refused, Right, SignedIn};

/// Where a request came from, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address, as far as trusted proxies tell.
    pub ip: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<String>,
}

/// Somebody who was authenticated and belongs to the tenant: a member, or automation that holds an API key.
/// Only [`ControlPlane::enter`], [`ControlPlane::carry_on_in`] and [`ControlPlane::enter_with_key`] make one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) tenant_id: TenantId,
    pub(crate) actor: Actor,
    pub(crate) origin: Origin,
    standing: Standing,
}

#[derive(Debug, Clone)]
enum Standing {
    Member(Role),
    Key(Box<Reach>),
}

/// What a key that manages keys has itself, which is the most it can give, and all that it can see.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    pub(crate) application_id: ApplicationId,
    pub(crate) customer_id: Option<CustomerId>,
    pub(crate) environment: Environment,
    pub(crate) trust_level: TrustLevel,
    key_id: KeyId,
    kind: KeyKind,
    source_id: Option<String>,
    scopes: Grants,
    allowed_ips: AllowedIps,
    limits: Limits,
    expires_at: Option<Timestamp>,
}

impl Caller {
    /// The person of a session that can be used, in the tenant for which it was asked what it opens.
    pub(crate) fn member(entrance: &Entrance, tenant_id: TenantId, origin: Origin) -> Result<Self, Refused> {
        let (role, factor_required) = entrance.place.ok_or(Refused::NotFound("tenant"))?;
        if factor_required && !entrance.session.second_factor {
            return Err(Refused::SecondFactorRequired);
        }
        let standing = Standing::Member(role);
        Ok(Self { tenant_id, actor: Actor::Person(entrance.person.id), origin, standing })
    }

    /// The tenant the caller acts in.
    pub const fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// Who it is.
    pub const fn actor(&self) -> Actor {
        self.actor
    }

    /// A member's role.
    pub const fn role(&self) -> Option<Role> {
        match self.standing {
            Standing::Member(role) => Some(role),
            Standing::Key(_) => None,
        }
    }

    /// The environment of a key as caller, which is the only one it can give keys for.
    pub fn environment(&self) -> Option<Environment> {
        self.reach().map(|reach| reach.environment)
    }

    /// Goes on only with this right.
    ///
    /// # Errors
    /// [`Refused::Forbidden`].
    pub fn require(&self, right: Right) -> Result<(), Refused> {
        match &self.standing {
            Standing::Member(role) if *role >= right.role() => Ok(()),
            Standing::Member(_) => Err(Refused::Forbidden(Lacking::Role(right.role()))),
            Standing::Key(reach) => match right.permissions() {
                accepted if accepted.iter().any(|one| reach.scopes.cover(*one)) => {
                    let too_far = reach.customer_id.is_some() && right.reaches_all_customers();
                    if too_far { Err(Refused::Forbidden(Lacking::AllCustomers)) } else { Ok(()) }
                }
                [] => Err(Refused::Forbidden(Lacking::Person)),
                [needed, ..] => Err(Refused::Forbidden(Lacking::Permission(needed.as_str()))),
            },
        }
    }

    /// How far a key reaches; a member reaches everywhere in the tenant.
    pub(crate) fn reach(&self) -> Option<&Reach> {
        match &self.standing {
            Standing::Member(_) => None,
            Standing::Key(reach) => Some(reach),
        }
    }
}

impl Reach {
    fn of(key: &ApiKey) -> Self {
        Self {
            application_id: key.application_id,
            customer_id: key.customer_id,
            environment: key.environment,
            key_id: key.id,
            kind: key.kind.clone(),
            source_id: key.source_id.clone(),
            trust_level: key.trust_level,
            scopes: key.scopes.clone(),
            allowed_ips: key.allowed_ips.clone(),
            limits: Limits { spend: NanoUsd::ZERO, ..key.limits.clone() },
            expires_at: key.expires_at,
        }
    }

    /// Bounds a key that is about to be made as the caller itself is bounded, where nothing else is asked for.
    pub(crate) fn bound(&self, key: &mut ApiKey) {
        key.app_id = Some(self.application_id);
        key.customer_id = self.customer_id;
        key.source_id.clone_from(&self.source_id);
        key.allowed_ips = self.allowed_ips.clone();
        key.limits = self.limits.clone();
        key.expires_at = self.expires_at;
    }

    /// Whether the key itself has this permission.
    pub(crate) fn holds(&self, permission: Permission<'_>) -> bool {
        self.scopes.cover(permission)
    }

    /// Whether `key` exists for this caller: keys of its application and environment, and of its customer if it has
    /// one.
    pub(crate) fn sees(&self, key: &ApiKey) -> bool {
        self.application_id == key.application_id
            && self.environment == key.environment
            && self.customer_id.is_none_or(|own| key.customer_id == Some(own))
    }

    /// Whether this caller could hand out all that `key` has. Itself it cannot: else whoever holds its secret could
    /// keep it for ever.
    ///
    /// # Errors
    /// [`Refused::Forbidden`], naming the first thing that it lacks.
    pub(crate) fn covers(&self, key: &ApiKey) -> Result<(), Refused> {
        if self.key_id == key.id {
            return Err(Refused::Forbidden(Lacking::OverItself));
        }
        let lacking = if self.application_id != key.application_id {
            "the application".to_owned()
        } else if self.environment != key.environment {
            format!("the environment `{}`", key.environment)
        } else if self.customer_id.is_some() && self.customer_id != key.customer_id {
            "any customer but its own".to_owned()
        } else if self.source_id.is_some() && self.source_id != key.source_id {
            "any source but its own".to_owned()
        } else if let Some(model) = self.kind.first_model_beyond(&key.kind) {
            format!("the model `{}`", model.as_str())
        } else if self.trust_level < key.trust_level {
            format!("the trust level `{}`", key.trust_level)
        } else if let Some(beyond) = self.scopes.first_beyond(&key.scopes) {
            format!("the permission `{beyond}`")
        } else if !within(key.expires_at, self.expires_at) {
            "a time beyond its own end".to_owned()
        } else if !self.allowed_ips.include(&key.allowed_ips) {
            "addresses beyond its own".to_owned()
        } else if let Some(field) = self.limits.first_beyond(&key.limits) {
            format!("more than its own `{field}`")
        } else {
            return Ok(());
        };
        Err(Refused::Forbidden(Lacking::Own(lacking)))
    }
}

/// Whether a bound is there and no wider than one's own, if one has any.
fn within<T: PartialOrd>(bound: Option<T>, own: Option<T>) -> bool {
    own.is_none_or(|own| bound.is_some_and(|bound| bound <= own))
}

/// What a caller lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// A member's role is weaker.
    #[error("this needs the role {0} or higher")]
    Role(Role),
    /// A key does not hold this permission.
    #[error("the API key lacks the permission `{0}`")]
    Permission(&'static str),
    /// A key is restricted to one customer.
    #[error("the API key is restricted to a customer, and this is not about that customer alone")]
    AllCustomers,
    /// A key is restricted to this customer, which does not bound itself.
    #[error(
        "an API key that is restricted to a customer cannot change its limits, its `external_id`, or whether it is archived"
    )]
    OverCustomer,
    /// No key can do this.
    #[error("an API key cannot do this; sign in as a person")]
    Person,
    /// The other has a higher role, or is in a tenant where the member administers nothing.
    #[error(
        "this person has a higher role, or belongs to tenants that you do not administer; an operator can help"
    )]
    OverPerson,
    /// What is offered to others is not for oneself.
    #[error("change your own password with `POST /api/v1/auth/password`")]
    Oneself,
    /// A key would change or renew itself.
    #[error("an API key cannot change, renew or rotate itself; it can be ended with itself")]
    OverItself,
    /// A key cannot give what it does not have.
    #[error("the API key does not have {0}, so it cannot give it")]
    Own(String),
}

impl ControlPlane {
    /// Lets whom a token was made for act in a tenant. Session, person and membership, or the key, are read anew each
    /// time, so that whatever ends them takes effect with the next request.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a tenant that is not the caller's, [`Refused::SessionEnded`] for a session that has
    /// ended or a disabled person, [`Refused::SecondFactorRequired`] when the tenant wants one, [`Refused::Key`] when the key cannot be used now or from there.
    #[instrument(target = SPANS, skip_all)]
    pub async fn enter(
        &self,
        bearer: &Bearer,
        tenant_id: TenantId,
        origin: Origin,
    ) -> Result<Caller, Refused> {
        match bearer {
            Bearer::Person(signed_in) => self.enter_as_person(signed_in, tenant_id, origin).await,
            Bearer::Automation(automation) => self.enter_with_key(automation.key, tenant_id, origin).await,
        }
    }

    async fn enter_as_person(
        &self,
        signed_in: &SignedIn,
        tenant_id: TenantId,
        origin: Origin,
    ) -> Result<Caller, Refused> {
        Caller::member(&self.entrance(signed_in, Some(tenant_id)).await?, tenant_id, origin)
    }

    /// Lets automation act in the tenant of the key that it holds, which the data plane found good.
    ///
    /// # Errors
    /// As [`Self::enter`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn enter_with_key(
        &self,
        held: HeldKey,
        tenant_id: TenantId,
        origin: Origin,
    ) -> Result<Caller, Refused> {
        if held.tenant_id != tenant_id {
            return Err(Refused::NotFound("tenant"));
        }
        let key = self.usable_key(held, &origin).await?;
        let standing = Standing::Key(Box::new(Reach::of(&key)));
        Ok(Caller { tenant_id, actor: Actor::Key(key.id), origin, standing })
    }

    /// The key, if it could be used now and from there, with the secret by which it is held.
    pub(crate) async fn usable_key(&self, held: HeldKey, origin: &Origin) -> Result<ApiKey, Refused> {
        let key = self.store.key(held.tenant_id, held.key_id).await?;
        let unknown = Refused::Key(Refusal::Plain(Code::KeyNotFound));
        let key = key.filter(|key| key.secret.digest == held.digest).ok_or(unknown)?;
        let ask = Ask { ip: origin.ip, ..Ask::ANYTHING };
        decide(&KeyFacts::of(&key), &ask, self.now()).map_err(Refused::Key)?;
        Ok(key)
    }
}
