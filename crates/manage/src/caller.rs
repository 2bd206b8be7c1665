//! Proof that somebody may act in a tenant.

use std::net::IpAddr;

use keystile_core::{Actor, Role, TenantId};

use crate::{ControlPlane, Refused, SignedIn};

/// Where a request came from, for the audit log.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The client's address, as far as trusted proxies tell.
    pub ip: Option<IpAddr>,
    /// The request's id.
    pub request_id: Option<String>,
}

/// Somebody who was authenticated and is a member of the tenant. Only [`ControlPlane::enter`] makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) tenant_id: TenantId,
    pub(crate) actor: Actor,
    pub(crate) role: Role,
    pub(crate) origin: Origin,
}

impl Caller {
    /// The tenant the caller acts in.
    pub const fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    /// What the caller may do there.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Goes on only with `needs` or a higher role.
    ///
    /// # Errors
    /// [`Refused::Forbidden`].
    pub fn require(&self, needs: Role) -> Result<(), Refused> {
        if self.role >= needs { Ok(()) } else { Err(Refused::Forbidden { needs }) }
    }
}

impl ControlPlane {
    /// Lets a signed-in person act in a tenant. The membership is read anew each time, so that ending it or
    /// disabling the person takes effect with the next request.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for a tenant the person is no member of, [`Refused::SessionEnded`] for a
    /// disabled person.
    pub async fn enter(
        &self,
        signed_in: &SignedIn,
        tenant_id: TenantId,
        origin: Origin,
    ) -> Result<Caller, Refused> {
        let member = self.store.member(tenant_id, signed_in.person_id).await?;
        let (person, membership) = member.ok_or(Refused::NotFound("tenant"))?;
        if person.disabled_at.is_some() {
            return Err(Refused::SessionEnded);
        }
        Ok(Caller { tenant_id, actor: Actor::Person(person.id), role: membership.role, origin })
    }
}
