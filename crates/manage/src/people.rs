//! Signing in: persons with a password, automation with a key.

use keystile_core::{Email, KeyId, Person, Secret, TenantId};

use crate::{AccessToken, Automation, Bearer, ControlPlane, Origin, Refused, SignedIn};

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
        let bearer = Bearer::Person(SignedIn { person_id: person.id, tenant_id });
        Ok((self.signing.issue(bearer, self.now(), random)?, tenant_id))
    }

    /// Exchanges an application's key, which was checked, for a token that acts with the key's rights and dies with it.
    ///
    /// # Errors
    /// [`Refused::Key`] when the key cannot be used now or from there.
    pub async fn exchange_key(
        &self,
        tenant_id: TenantId,
        key_id: KeyId,
        origin: &Origin,
    ) -> Result<AccessToken, Refused> {
        let key = self.usable_key(tenant_id, key_id, origin).await?;
        let automation = Automation { tenant_id, application_id: key.application_id, key_id };
        let random = self.fresh(|_, random| random)?;
        self.signing.issue(Bearer::Automation(automation), self.now(), random)
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
