//! Who provides models, and what opens their API: sealed, bound to its host, and never shown again.

use std::sync::Arc;

use keystile_core::llm::{ProviderDraft, ProviderPatch, credential_hint};
use keystile_core::{
    Action, BaseUrl, Digest, Entropy, Provider, ProviderId, Reach, Secret, TenantId, Upstreams,
};
use keystile_measure::SPANS;
use keystile_store::{KeptProvider, ProviderMade, ProviderTaken, Sealed};
use serde_json::{Map, Value, json};
use tracing::instrument;

use super::supplied;
use crate::audit::object;
use crate::edit::{Edited, edit};
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right, Vault, VersionGuard};

const PROVIDER: Refused = Refused::NotFound("provider");
/// How much of the digest of a sealed credential tells one from another, in hexadecimal digits.
const SEAL_TOLD: usize = 16;

/// A provider, and what may be shown of its credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProvider {
    /// The provider.
    pub provider: Provider,
    /// The end of its credential, if that is long enough to tell some of it.
    pub credential_hint: Option<String>,
}

impl From<KeptProvider> for KnownProvider {
    fn from(kept: KeptProvider) -> Self {
        Self { provider: kept.provider, credential_hint: kept.hint }
    }
}

impl ControlPlane {
    /// The same use cases, with providers at other addresses than public ones.
    #[must_use]
    pub fn reaching_upstreams(self, reach: Reach) -> Self {
        Self { upstream_reach: reach.into(), ..self }
    }

    /// Adds a provider of models.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`]; for a URL that may not be sent to, or a name that is taken; when the tenant has as many as it can.
    #[instrument(target = SPANS, skip_all)]
    pub async fn create_provider(
        &self,
        caller: &Caller,
        draft: ProviderDraft,
    ) -> Result<Committed<KnownProvider>, Refused> {
        caller.require(Right::ManageModels)?;
        self.require_upstream(&draft.base_url)?;
        let id = self.fresh(ProviderId::from_parts)?;
        let mut entry = self.entry(caller, Action::ProviderCreate, id.to_string(), Value::Null)?;
        let ProviderDraft { name, protocol, base_url, credential, environment, enabled } = draft;
        let (hint, place) = (credential_hint(&credential), context(id, &base_url));
        let credential = seal(&self.vault, self.entropy.as_ref(), &place, &credential)?;
        let provider = Provider {
            id,
            tenant_id: caller.tenant_id,
            name,
            protocol,
            base_url,
            environment,
            enabled,
            created_at: entry.at,
            updated_at: entry.at,
            version: 1,
        };
        provider.check()?;
        let kept = KeptProvider { provider, hint, credential };
        entry.changes = Value::Object(kept.describe());
        let known = KnownProvider::from(kept.clone());
        let made = self.store.create_provider(kept, entry).await;
        let Committed { value, change } = supplied(caller.tenant_id, made)?;
        match value {
            ProviderMade::Made => Ok(Committed { value: known, change }),
            ProviderMade::TooMany => Err(Refused::Conflict(Conflict::TooManyProviders)),
        }
    }

    /// The providers of the caller's tenant, oldest first.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn providers(&self, caller: &Caller) -> Result<Vec<KnownProvider>, Refused> {
        caller.require(Right::ManageModels)?;
        let kept = self.store.providers(caller.tenant_id).await?;
        Ok(kept.into_iter().map(KnownProvider::from).collect())
    }

    /// One provider of the caller's tenant.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageModels`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn provider(&self, caller: &Caller, id: ProviderId) -> Result<KnownProvider, Refused> {
        caller.require(Right::ManageModels)?;
        Ok(self.store.provider(caller.tenant_id, id).await?.ok_or(PROVIDER)?.into())
    }

    /// Changes a provider of the caller's tenant. Switched off, it is sent nothing. A credential goes to the host alone that it was
    /// given for.
    ///
    /// # Errors
    /// Without [`Right::ManageModels`]; for a URL that may not be sent to, or that needs the credential again, a name that is taken, or
    /// a stale version.
    #[instrument(target = SPANS, skip_all)]
    pub async fn patch_provider(
        &self,
        caller: &Caller,
        id: ProviderId,
        patch: ProviderPatch,
        guard: VersionGuard,
    ) -> Result<Committed<KnownProvider>, Refused> {
        caller.require(Right::ManageModels)?;
        if let Some(url) = &patch.base_url {
            self.require_upstream(url)?;
        }
        let entry = self.entry(caller, Action::ProviderUpdate, id.to_string(), Value::Null)?;
        let (vault, entropy) = (Arc::clone(&self.vault), Arc::clone(&self.entropy));
        let change = move |kept: &mut KeptProvider| {
            edit(kept, guard, entry, |kept, now| {
                let before = kept.clone();
                let given = patch.credential.as_ref().map(|given| Secret::new(given.expose()));
                patch.apply(&mut kept.provider)?;
                if let Some(given) = given {
                    let place = context(kept.provider.id, &kept.provider.base_url);
                    kept.credential = seal(&vault, entropy.as_ref(), &place, &given)?;
                    kept.hint = credential_hint(&given);
                }
                if *kept != before {
                    kept.provider.updated_at = now;
                }
                Ok(())
            })
        };
        let changed = self.store.change_provider(caller.tenant_id, id, change).await;
        let Committed { value, change } = supplied(caller.tenant_id, changed)?;
        Ok(Committed { value: value.ok_or(PROVIDER)??.into(), change })
    }

    /// Takes a provider away, of which nothing is offered any more.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ManageModels`]; while it has models.
    #[instrument(target = SPANS, skip_all)]
    pub async fn delete_provider(&self, caller: &Caller, id: ProviderId) -> Result<Committed<()>, Refused> {
        caller.require(Right::ManageModels)?;
        let kept = self.store.provider(caller.tenant_id, id).await?.ok_or(PROVIDER)?;
        let changes = json!({ "name": kept.provider.name });
        let entry = self.entry(caller, Action::ProviderDelete, id.to_string(), changes)?;
        let taken = self.store.delete_provider(caller.tenant_id, id, entry).await;
        let Committed { value, change } = supplied(caller.tenant_id, taken)?;
        match value {
            ProviderTaken::Taken => Ok(Committed { value: (), change }),
            ProviderTaken::HasModels => Err(Refused::Conflict(Conflict::ProviderHasModels)),
            ProviderTaken::Missing => Err(PROVIDER),
        }
    }

    /// What the gateway of a tenant may send requests to, with what opens it. For verification, which acts for nobody.
    ///
    /// # Errors
    /// When the store does not answer, or a credential cannot be opened.
    pub async fn upstreams(&self, tenant_id: TenantId) -> Result<Upstreams, Refused> {
        let (kept, models) = self.store.upstreams(tenant_id).await?;
        let mut opened = Vec::with_capacity(kept.len());
        for KeptProvider { provider, credential, .. } in kept {
            let credential = self.open_credential(&provider, &credential)?;
            opened.push((provider, credential));
        }
        Ok(Upstreams::new(opened, models))
    }

    fn open_credential(&self, provider: &Provider, sealed: &Sealed) -> Result<Secret, Refused> {
        let opened = self.vault.open(&context(provider.id, &provider.base_url), sealed)?;
        let text = std::str::from_utf8(&opened);
        text.map(Secret::new).map_err(|_| Refused::Internal("a credential is no text".to_owned()))
    }

    fn require_upstream(&self, url: &BaseUrl) -> Result<(), Refused> {
        self.upstream_reach.check_upstream(url).map_err(|invalid| invalid.at("base_url").into())
    }
}

/// The place of a provider's credential in the vault: opened for another host, it cannot be read.
fn context(id: ProviderId, url: &BaseUrl) -> String {
    format!("provider:{id}:{}", url.host())
}

fn seal(vault: &Vault, entropy: &dyn Entropy, place: &str, credential: &Secret) -> Result<Sealed, Refused> {
    vault.seal(entropy, place, credential.expose().as_bytes())
}

impl Edited for KeptProvider {
    fn version(&mut self) -> &mut i64 {
        &mut self.provider.version
    }

    /// Of the credential what is shown of it, and something that is another whenever it is written.
    fn describe(&self) -> Map<String, Value> {
        let Self { provider, hint, credential } = self;
        let mut seal = Digest::of(&credential.bytes).to_hex();
        seal.truncate(SEAL_TOLD);
        object(json!({
            "name": provider.name,
            "protocol": provider.protocol,
            "base_url": provider.base_url,
            "environment": provider.environment,
            "enabled": provider.enabled,
            "credential_hint": hint,
            "credential_seal": seal,
        }))
    }
}
