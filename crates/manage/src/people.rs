//! Persons signing in.

use keystile_core::{Email, Person, Secret, TenantId};

use crate::{AccessToken, ControlPlane, Refused};

impl ControlPlane {
    /// Signs a person in for a tenant of theirs, by default the first.
    ///
    /// # Errors
    /// [`Refused::WrongCredentials`], after the same time, for an unknown address, a wrong password, a disabled
    /// person, or a tenant the person is no member of.
    pub async fn sign_in(
        &self,
        email: Option<Email>,
        password: Secret,
        tenant_id: Option<TenantId>,
    ) -> Result<(AccessToken, Option<TenantId>), Refused> {
        let known = match &email {
            Some(email) => self.store.person_by_email(email).await?,
            None => None,
        };
        let hash = known.as_ref().map(|person| person.password_hash.clone());
        let matches = self.passwords.matches(password, hash).await?;
        let person = known
            .filter(|person| matches && person.disabled_at.is_none())
            .ok_or(Refused::WrongCredentials)?;
        let tenant_id = self.tenant_to_enter(&person, tenant_id).await?;
        let random = self.fresh(|_, random| random)?;
        Ok((self.signing.issue(person.id, tenant_id, self.now(), random)?, tenant_id))
    }

    async fn tenant_to_enter(
        &self,
        person: &Person,
        wanted: Option<TenantId>,
    ) -> Result<Option<TenantId>, Refused> {
        let tenants = self.store.tenants_of(person.id).await?;
        let ids = tenants.iter().map(|(tenant, _)| tenant.id);
        match wanted {
            Some(wanted) => {
                ids.into_iter().find(|id| *id == wanted).map(Some).ok_or(Refused::WrongCredentials)
            }
            None => Ok(ids.min()),
        }
    }
}
