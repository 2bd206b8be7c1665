//! Making a key.

use keystile_core::key::{KeyDraft, SecretFacts};
use keystile_core::{
    Action, ApiKey, ApplicationId, Change, Grants, KeyId, Permission, Secret, Timestamp, TrustLevel,
};
use keystile_measure::SPANS;
use serde_json::Value;
use tracing::instrument;

use super::secret::Bearer;
use crate::audit::describe;
use crate::touched::Touched;
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right};

/// A key together with its secret, which exists nowhere else.
#[derive(Debug)]
pub struct Issued {
    /// The record.
    pub key: ApiKey,
    /// To be shown once.
    pub secret: Secret,
}

impl ControlPlane {
    /// Makes a key for an application of the caller's tenant, with a new secret or the one that is brought.
    ///
    /// # Errors
    /// Without [`Right::ManageKeys`]; for what a key as caller does not have itself; for a setting that breaks a
    /// rule; for an application that is not there; for a brought secret that is guessable or taken.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_key(
        &self,
        caller: &Caller,
        mut draft: KeyDraft,
    ) -> Result<Committed<Issued>, Refused> {
        caller.require(Right::ManageKeys)?;
        let (application, brought) =
            (self.application_for(caller, draft.application_id).await?, draft.secret.take());
        let bearer = Bearer::drafted(&draft, application);
        let secret = self.secret_for(caller.tenant_id, bearer, brought).await?;
        let key = self.draw_up(caller, draft, application, &secret).await?;
        let changes = Value::Object(describe(&key));
        let entry = self.entry(caller, Action::KeyCreate, key.id.to_string(), changes)?;
        // The secret may have been asked for, in vain, before it was brought.
        let change = Change::of_new([key.secret.digest]);
        let created = self.store.create_key(key.clone(), entry).await;
        Touched::known(change.clone()).outcome(created)?;
        Ok(Committed { change, value: Issued { key, secret } })
    }

    async fn draw_up(
        &self,
        caller: &Caller,
        draft: KeyDraft,
        application: ApplicationId,
        secret: &Secret,
    ) -> Result<ApiKey, Refused> {
        let trust_level = self.default_trust_level(caller).await?;
        let key = self.drawn(caller, draft, (application, trust_level), SecretFacts::of(secret))?;
        self.require_customer(caller.tenant_id, key.customer_id).await?;
        Ok(key)
    }

    /// The application that is named, or the caller's own, or the tenant's first.
    pub(super) async fn application_for(
        &self,
        caller: &Caller,
        named: Option<ApplicationId>,
    ) -> Result<ApplicationId, Refused> {
        let application = match named.or(caller.reach().map(|reach| reach.application_id)) {
            Some(id) => self.store.application(caller.tenant_id, id).await?,
            None => self.store.first_application(caller.tenant_id).await?,
        };
        let application = application.ok_or(Refused::NotFound("application"))?;
        if application.archived_at.is_some() {
            return Err(Refused::Conflict(Conflict::ApplicationArchived));
        }
        Ok(application.id)
    }

    /// A key as it is asked for, if the caller could give all that it has. Whether its customer is one is left to ask.
    pub(super) fn drawn(
        &self,
        caller: &Caller,
        draft: KeyDraft,
        (application_id, trust_level): (ApplicationId, TrustLevel),
        secret: SecretFacts,
    ) -> Result<ApiKey, Refused> {
        let (id, now) = (self.fresh(KeyId::from_parts)?, self.now());
        let tenant_id = caller.tenant_id;
        let mut key = ApiKey {
            environment: draft.environment,
            kind: draft.kind,
            trust_level,
            ..ApiKey::new(id, tenant_id, application_id, draft.name, secret, caller.actor, now)
        };
        if let Some(reach) = caller.reach() {
            reach.bound(&mut key);
        }
        let names_permissions = draft.settings.scopes.is_some();
        draft.settings.apply(&mut key).map_err(Refused::Invalid)?;
        if !names_permissions {
            key.scopes = usual_scopes(caller, &key);
        }
        refuse_past_expiry(&key, now)?;
        caller.reach().map_or(Ok(()), |reach| reach.covers(&key))?;
        Ok(key)
    }

    /// The tenant's, as far as the caller itself is trusted.
    pub(super) async fn default_trust_level(&self, caller: &Caller) -> Result<TrustLevel, Refused> {
        let tenant = self.store.tenant(caller.tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        let default = tenant.settings.default_trust_level;
        Ok(caller.reach().map_or(default, |reach| default.min(reach.trust_level)))
    }
}

/// What a key may do when nothing is said of it: in the name of a source it may send events, if the caller can give that.
fn usual_scopes(caller: &Caller, key: &ApiKey) -> Grants {
    let can_give = caller.reach().is_none_or(|reach| reach.holds(Permission::WRITE_EVENTS));
    if key.source_id.is_some() && can_give {
        Grants::only(Permission::WRITE_EVENTS)
    } else {
        Grants::default()
    }
}

/// A key that is over before it begins is a mistake.
pub(super) fn refuse_past_expiry(key: &ApiKey, now: Timestamp) -> Result<(), Refused> {
    match key.expires_at {
        Some(end) if end <= now => {
            Err(keystile_core::Invalid::new("expires_at", "must be in the future").into())
        }
        _ => Ok(()),
    }
}
