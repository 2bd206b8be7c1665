//! Showing keys.

use keystile_core::{ApiKey, KeyId, Timestamp};
use keystile_measure::SPANS;
use keystile_store::{KeyFilter, KeyPage, KeysFound};
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// Most keys that one look goes through: as many as take some milliseconds, whatever is asked of them.
const LOOKED_AT: u32 = 2_500;

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
        let key = key.filter(|key| key.deleted.is_none() && seen(key));
        let mut key = key.ok_or(Refused::NotFound("API key"))?;
        self.tell_spend(std::slice::from_mut(&mut key)).await?;
        Ok(key)
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
        let Some(query) = seen(caller, query) else { return Ok(Vec::new()) };
        let mut keys = self.store.keys(caller.tenant_id, &query, page).await?;
        self.tell_spend(&mut keys).await?;
        Ok(keys)
    }

    /// A page of the tenant's keys that is there within milliseconds for any query: of 2,500 keys, or 10,000 by their names (of which it looks
    /// up 1,250 if more is asked for than names), it says
    /// where to look on, if it did not find enough among them.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn look_for_keys(
        &self,
        caller: &Caller,
        query: &KeyQuery,
        page: KeyPage,
    ) -> Result<KeysFound, Refused> {
        caller.require(Right::ReadKeys)?;
        let Some(query) = seen(caller, query) else {
            return Ok(KeysFound { keys: Vec::new(), looked_to: None });
        };
        let mut found = self.store.look_for_keys(caller.tenant_id, &query, page, LOOKED_AT).await?;
        self.tell_spend(&mut found.keys).await?;
        Ok(found)
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

/// Of what is asked for, what the caller sees; nothing when the two exclude each other.
pub(crate) fn seen(caller: &Caller, query: &KeyQuery) -> Option<KeyQuery> {
    let Some(reach) = caller.reach() else { return Some(query.clone()) };
    Some(KeyQuery {
        application_id: narrowed(query.application_id, Some(reach.application_id))?,
        customer_id: narrowed(query.customer_id, reach.customer_id)?,
        environment: narrowed(query.environment, Some(reach.environment))?,
        ..query.clone()
    })
}

/// What is asked for within what can be seen, both `None` for anything; nothing when the two exclude each other.
fn narrowed<T: PartialEq>(asked: Option<T>, seen: Option<T>) -> Option<Option<T>> {
    match (asked, seen) {
        (Some(asked), Some(seen)) if asked != seen => None,
        (asked, seen) => Some(asked.or(seen)),
    }
}
