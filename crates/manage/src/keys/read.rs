//! Showing keys.

use keystile_core::{ApiKey, KeyId, Timestamp};
use keystile_measure::SPANS;
use keystile_store::{KeyFilter, KeyPage};
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Which keys to list.
pub type KeyQuery = KeyFilter;

/// The neighbours of a key in its chain of rotations.
#[derive(Debug, Clone, Default)]
pub struct Lineage {
    /// The key it was made from.
    pub predecessor: Option<ApiKey>,
    /// The keys that were made from it, the newest first; all but one have ended.
    pub successors: Vec<ApiKey>,
}

impl ControlPlane {
    /// One key of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown, another tenant's or deleted.
    #[instrument(target = SPANS, skip_all)]
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<ApiKey, Refused> {
        caller.require(Right::ReadKeys)?;
        let key = self.store.key(caller.tenant_id, id).await?;
        let seen = |key: &ApiKey| caller.reach().is_none_or(|reach| reach.sees(key));
        key.filter(|key| key.deleted.is_none() && seen(key)).ok_or(Refused::NotFound("API key"))
    }

    /// The neighbours of a key in its chain of rotations, deleted ones too: history outlives a key.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn lineage(&self, caller: &Caller, key: &ApiKey) -> Result<Lineage, Refused> {
        caller.require(Right::ReadKeys)?;
        let seen = |other: &ApiKey| caller.reach().is_none_or(|reach| reach.sees(other));
        let predecessor = match key.rotated_from_key_id {
            Some(id) => self.store.key(caller.tenant_id, id).await?.filter(seen),
            None => None,
        };
        let mut successors = self.store.successors(caller.tenant_id, key.id).await?;
        successors.retain(seen);
        Ok(Lineage { predecessor, successors })
    }

    /// A page of the tenant's keys; for a key as caller, of those it sees.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn keys(
        &self,
        caller: &Caller,
        query: &KeyQuery,
        page: impl Into<KeyPage> + Send,
    ) -> Result<Vec<ApiKey>, Refused> {
        caller.require(Right::ReadKeys)?;
        let Some(reach) = caller.reach() else {
            return Ok(self.store.keys(caller.tenant_id, query, page).await?);
        };
        let application = narrowed(query.application_id, Some(reach.application_id));
        let customer = narrowed(query.customer_id, reach.customer_id);
        let environment = narrowed(query.environment, Some(reach.environment));
        let (Some(application_id), Some(customer_id), Some(environment)) =
            (application, customer, environment)
        else {
            return Ok(Vec::new());
        };
        let within = KeyQuery { application_id, customer_id, environment, ..query.clone() };
        Ok(self.store.keys(caller.tenant_id, &within, page).await?)
    }

    /// After how many days the caller's tenant wants a secret to be rotated.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn rotation_days(&self, caller: &Caller) -> Result<u16, Refused> {
        let tenant = self.store.tenant(caller.tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        Ok(tenant.settings.rotation_days)
    }

    /// The moment against which statuses are told.
    pub fn present(&self) -> Timestamp {
        self.now()
    }
}

/// What is asked for within what can be seen, both `None` for anything; nothing when the two exclude each other.
fn narrowed<T: PartialEq>(asked: Option<T>, seen: Option<T>) -> Option<Option<T>> {
    match (asked, seen) {
        (Some(asked), Some(seen)) if asked != seen => None,
        (asked, seen) => Some(asked.or(seen)),
    }
}
