//! What happens to a key after it was made.

use keystile_core::key::{KeyPatch, Revocation, SecretFacts};
use keystile_core::{Action, ApiKey, KeyId, Secret};
use keystile_measure::SPANS;
use tracing::instrument;

use super::change::VersionGuard;
use super::create::{Issued, refuse_past_expiry};
use super::secret::Bearer;
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right};

impl ControlPlane {
    /// Changes settings of a key.
    ///
    /// # Errors
    /// For a setting that breaks a rule, a stale version, or a revoked key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_key(
        &self,
        caller: &Caller,
        id: KeyId,
        patch: KeyPatch,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        let customer = self.require_customer(caller.tenant_id, patch.customer_id.flatten()).await;
        self.change_key(caller, id, Action::KeyUpdate, guard, move |key, now| {
            refuse_revoked(key)?;
            let sets_expiry = matches!(patch.expires_at, Some(Some(_)));
            let customer_before = key.customer_id;
            patch.apply(key).map_err(Refused::Invalid)?;
            if key.customer_id != customer_before {
                customer?;
            }
            if sets_expiry { refuse_past_expiry(key, now) } else { Ok(()) }
        })
        .await
    }

    /// Switches a key off for a while.
    ///
    /// # Errors
    /// For a stale version or a revoked key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn disable_key(
        &self,
        caller: &Caller,
        id: KeyId,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        self.change_key(caller, id, Action::KeyDisable, guard, |key, _| {
            refuse_revoked(key)?;
            key.enabled = false;
            Ok(())
        })
        .await
    }

    /// Switches a key on again.
    ///
    /// # Errors
    /// For a stale version or a revoked key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn enable_key(
        &self,
        caller: &Caller,
        id: KeyId,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        self.change_key(caller, id, Action::KeyEnable, guard, |key, _| {
            refuse_revoked(key)?;
            key.enabled = true;
            Ok(())
        })
        .await
    }

    /// Bars a key for abuse, a leak or billing. Independent of its status.
    ///
    /// # Errors
    /// For a stale version or a revoked key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn block_key(
        &self,
        caller: &Caller,
        id: KeyId,
        reason: String,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        self.change_key(caller, id, Action::KeyBlock, guard, move |key, _| {
            refuse_revoked(key)?;
            key.blocked = Some(reason);
            Ok(())
        })
        .await
    }

    /// Unbars a key.
    ///
    /// # Errors
    /// For a stale version or a revoked key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn unblock_key(
        &self,
        caller: &Caller,
        id: KeyId,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        self.change_key(caller, id, Action::KeyUnblock, guard, |key, _| {
            refuse_revoked(key)?;
            key.blocked = None;
            Ok(())
        })
        .await
    }

    /// Ends a key for good. Ending it twice changes nothing the second time.
    ///
    /// # Errors
    /// For a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn revoke_key(
        &self,
        caller: &Caller,
        id: KeyId,
        reason: Option<String>,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        self.change_key(caller, id, Action::KeyRevoke, guard, move |key, now| {
            key.revoked.get_or_insert(Revocation { at: now, reason });
            Ok(())
        })
        .await
    }

    /// Takes a key out of the lists, which ends it for good, too. Its history stays.
    ///
    /// # Errors
    /// For a stale version or a key that is deleted already.
    #[instrument(target = SPANS, skip_all)]
    pub async fn delete_key(
        &self,
        caller: &Caller,
        id: KeyId,
        guard: VersionGuard,
    ) -> Result<Committed<ApiKey>, Refused> {
        let actor = caller.actor;
        self.change_key(caller, id, Action::KeyDelete, guard, move |key, now| {
            key.revoked.get_or_insert(Revocation { at: now, reason: None });
            key.deleted = Some((now, actor));
            Ok(())
        })
        .await
    }

    /// Gives a key a new secret; the old one is dead at once, everything else stays.
    ///
    /// # Errors
    /// For a stale version, a revoked key, or a brought secret that is guessable or taken.
    #[instrument(target = SPANS, skip_all)]
    pub async fn regenerate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        brought: Option<Secret>,
        guard: VersionGuard,
    ) -> Result<Committed<Issued>, Refused> {
        caller.require(Right::ManageKeys)?;
        let key = self.key(caller, id).await?;
        let secret = self.secret_for(caller.tenant_id, Bearer::of(&key), brought).await?;
        let facts = SecretFacts::of(&secret);
        let renewed = self
            .change_key(caller, id, Action::KeyRegenerate, guard, move |key, now| {
                refuse_revoked(key)?;
                if key.secret.digest == facts.digest {
                    return Err(Refused::Conflict(Conflict::SecretExists));
                }
                key.secret = facts;
                key.secret_created_at = now;
                Ok(())
            })
            .await?;
        Ok(Committed { value: Issued { key: renewed.value, secret }, change: renewed.change })
    }
}

pub(crate) fn refuse_revoked(key: &ApiKey) -> Result<(), Refused> {
    if key.revoked.is_some() { Err(Refused::Conflict(Conflict::KeyRevoked)) } else { Ok(()) }
}
