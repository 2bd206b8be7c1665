//! How often and from where a key was used.

use keystile_core::key::KeyAddress;
use keystile_core::usage::{Span, Sum};
use keystile_core::{ApiKey, KeyId, TenantId};
use keystile_measure::SPANS;
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// The history of a key that the caller may see. Only [`ControlPlane::history`] and [`Self::of`] make one.
#[derive(Debug, Clone, Copy)]
pub struct History {
    tenant_id: TenantId,
    key_id: KeyId,
}

impl History {
    /// That of a key which was read already.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that the caller does not see; without [`Right::ReadKeys`].
    pub fn of(caller: &Caller, key: &ApiKey) -> Result<Self, Refused> {
        caller.require(Right::ReadKeys)?;
        let is_seen = key.tenant_id == caller.tenant_id && caller.reach().is_none_or(|reach| reach.sees(key));
        if !is_seen {
            return Err(Refused::NotFound("API key"));
        }
        Ok(Self { tenant_id: key.tenant_id, key_id: key.id })
    }

    /// The key's tenant.
    pub const fn tenant_id(self) -> TenantId {
        self.tenant_id
    }

    /// The key.
    pub const fn key_id(self) -> KeyId {
        self.key_id
    }
}

impl ControlPlane {
    /// The history of a key of the caller's tenant, which outlives the key: also of one that is deleted.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn history(&self, caller: &Caller, id: KeyId) -> Result<History, Refused> {
        caller.require(Right::ReadKeys)?;
        let key = self.store.key(caller.tenant_id, id).await?.ok_or(Refused::NotFound("API key"))?;
        History::of(caller, &key)
    }

    /// What was counted of the key, as far as it is written down; steps without any count are left out.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn usage(&self, history: History, span: Span) -> Result<Vec<Sum>, Refused> {
        Ok(self.store.usage(history.tenant_id, history.key_id, span).await?)
    }

    /// From where the key was used in the last [`KeyAddress::DAYS`] days, the last seen first: at most [`KeyAddress::MAX`] addresses, as
    /// far as they are written down, which takes up to a minute.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn key_addresses(&self, history: History) -> Result<Vec<KeyAddress>, Refused> {
        let since = self.now().minus(KeyAddress::KEPT);
        Ok(self.store.key_addresses(history.tenant_id, history.key_id, since).await?)
    }
}
