//! Showing keys.

use keystile_core::{ApiKey, KeyId, Timestamp};
use keystile_store::{KeyFilter, Page};

use crate::{Caller, ControlPlane, Refused};

/// Which keys to list.
pub type KeyQuery = KeyFilter;

impl ControlPlane {
    /// One key of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown, another tenant's or deleted.
    pub async fn key(&self, caller: &Caller, id: KeyId) -> Result<ApiKey, Refused> {
        let key = self.store.key(caller.tenant_id, id).await?;
        key.filter(|key| key.deleted.is_none()).ok_or(Refused::NotFound("API key"))
    }

    /// A page of the tenant's keys, newest first.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn keys(
        &self,
        caller: &Caller,
        query: &KeyQuery,
        page: Page<KeyId>,
    ) -> Result<Vec<ApiKey>, Refused> {
        Ok(self.store.keys(caller.tenant_id, query, page).await?)
    }

    /// The moment against which statuses are told.
    pub fn present(&self) -> Timestamp {
        self.now()
    }
}
