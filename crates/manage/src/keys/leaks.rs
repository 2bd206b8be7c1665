//! Keys that leaked: what is done when somebody tells so, and what secrets open that were found somewhere.

use std::collections::HashMap;

use keystile_core::leak::{MOST_REPORTS, respond};
use keystile_core::{
    Action, Actor, ApiKey, ApplicationId, AuditEntry, Change, Digest, Environment, KeyId, LeakDeed, LeakId,
    LeakReport, LeakSource, LeakState,
};
use keystile_measure::SPANS;
use keystile_store::{Changed, KnownReports, KnownSecrets, LeakTaken, LeakedKey, Page};
use serde_json::{Value, json};
use tracing::instrument;

use super::change::{change_of, noted};
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Origin, Refused, Right};

/// That a secret was seen where it does not belong.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// The digest of the secret.
    pub digest: Digest,
    /// Who tells it.
    pub source: LeakSource,
    /// Where it was seen, in their words; without control characters.
    pub place: Option<String>,
}

/// What a secret is that was found somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSecret {
    /// Its digest.
    pub digest: Digest,
    /// What it opens.
    pub state: LeakState,
    /// The key that has, or had, it.
    pub key_id: Option<KeyId>,
    /// What the key was issued to, unless the secret was replaced.
    pub application_id: Option<ApplicationId>,
    /// Where the key works, unless the secret was replaced.
    pub environment: Option<Environment>,
}

impl KnownSecret {
    const fn unknown(digest: Digest) -> Self {
        Self { digest, state: LeakState::Unknown, key_id: None, application_id: None, environment: None }
    }
}

impl ControlPlane {
    /// Takes what somebody tells of a leaked secret, whoever they are: its key is treated as its tenant wants, and the log
    /// and the list of leaks tell of it. The answer is whether any key has, or had, the secret. What was told before changes
    /// nothing, unless the key was let free again meanwhile.
    ///
    /// # Errors
    /// When the store does not answer.
    #[instrument(target = SPANS, skip_all)]
    pub async fn take_leak(&self, sighting: Sighting, origin: &Origin) -> Result<Committed<bool>, Refused> {
        let unknown = Committed { value: false, change: Change::of([]) };
        let Some(owner) = self.store.secret_owner(sighting.digest).await? else { return Ok(unknown) };
        let entry = || {
            let (tenant_id, target) = (owner.tenant_id, owner.key_id.to_string());
            self.entry_by(tenant_id, Actor::System, origin, Action::KeyLeak, target, Value::Null)
        };
        let (told, of_change, id) = (entry()?, entry()?, self.fresh(LeakId::from_parts)?);
        let touched = Touched::default();
        let touches = touched.clone();
        let Sighting { digest, source, place } = sighting;
        let seen = place.clone();
        let decide = move |key: &mut ApiKey, known: KnownReports| {
            let before = key.clone();
            // The secret may have been replaced long ago, or since the key was looked for.
            let is_present = key.secret.digest == digest;
            let done = if is_present { respond(key, known.wanted, told.at) } else { LeakDeed::Nothing };
            let changed = done
                .action()
                .and_then(|action| noted(&before, key, AuditEntry { action, ..of_change }, &touches));
            if changed.is_none() && (known.is_alike || known.count >= MOST_REPORTS) {
                return Ok(None);
            }
            let (tenant_id, key_id, reported_at) = (key.tenant_id, key.id, told.at);
            let changes = json!({ "report": id, "source": source, "place": seen, "done": done });
            let report = LeakReport { id, tenant_id, key_id, reported_at, source, place: seen, done };
            Ok(Some(LeakTaken { report, told: AuditEntry { changes, ..told }, changed }))
        };
        let taken = self.store.take_leak::<Refused>(owner, (digest, source, place), decide).await;
        let Changed { before, after } = touched.outcome(taken)?.ok_or(Refused::NotFound("API key"))??;
        Ok(Committed { value: true, change: change_of(&before, &after) })
    }

    /// Whether any key of the installation has, or had, this secret: what [`Self::take_leak`] asks first. For whoever answers
    /// before a leak is taken.
    ///
    /// # Errors
    /// When the store does not answer, whatever the secret is.
    #[instrument(target = SPANS, skip_all)]
    pub async fn is_secret_of_a_key(&self, digest: Digest) -> Result<bool, Refused> {
        Ok(self.store.secret_owner(digest).await?.is_some())
    }

    /// A page of the reports about keys of the caller's tenant, newest first; only those about one key if it is named.
    ///
    /// # Errors
    /// Without [`Right::ReadLeaks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn leaks(
        &self,
        caller: &Caller,
        key_id: Option<KeyId>,
        page: Page<LeakId>,
    ) -> Result<Vec<LeakReport>, Refused> {
        caller.require(Right::ReadLeaks)?;
        Ok(self.store.leaks(caller.tenant_id, key_id, page).await?)
    }

    /// The same, each with its key as it is now. For persons, as a key sees only the keys that it reaches.
    ///
    /// # Errors
    /// Without [`Right::ReadLeaks`], or for a key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn leaked_keys(
        &self,
        caller: &Caller,
        key_id: Option<KeyId>,
        page: Page<LeakId>,
    ) -> Result<Vec<LeakedKey>, Refused> {
        may_see_keys(caller)?;
        Ok(self.store.leaked_keys(caller.tenant_id, key_id, page).await?)
    }

    /// How many keys of the caller's tenant work with a secret that was reported as leaked, by the last thousand reports.
    ///
    /// # Errors
    /// Without [`Right::ReadLeaks`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn live_leaks(&self, caller: &Caller) -> Result<u64, Refused> {
        caller.require(Right::ReadLeaks)?;
        Ok(self.store.live_leaks(caller.tenant_id, self.now()).await?)
    }

    /// One report about a key of the caller's tenant, with the key as it is now. For persons.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for one that is unknown or another tenant's; without [`Right::ReadLeaks`], or for a key.
    #[instrument(target = SPANS, skip_all)]
    pub async fn leaked_key(&self, caller: &Caller, id: LeakId) -> Result<LeakedKey, Refused> {
        may_see_keys(caller)?;
        self.store.leaked_key(caller.tenant_id, id).await?.ok_or(Refused::NotFound("report of a leak"))
    }

    /// What the secrets with these digests open in the caller's tenant, in their order. Whoever may ask whether keys are good
    /// may ask this: it tells no more.
    ///
    /// # Errors
    /// Without [`Right::VerifyKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn look_up_secrets(
        &self,
        caller: &Caller,
        digests: Vec<Digest>,
    ) -> Result<Vec<KnownSecret>, Refused> {
        caller.require(Right::VerifyKeys)?;
        let KnownSecrets { present, replaced } =
            self.store.known_secrets(caller.tenant_id, digests.clone()).await?;
        let now = self.now();
        let replaced = replaced.into_iter().map(|(digest, key_id)| KnownSecret {
            state: LeakState::Replaced,
            key_id: Some(key_id),
            ..KnownSecret::unknown(digest)
        });
        let present = present.iter().map(|key| KnownSecret {
            digest: key.secret.digest,
            state: LeakState::of(key, now),
            key_id: Some(key.id),
            application_id: Some(key.application_id),
            environment: Some(key.environment),
        });
        let known: HashMap<_, _> = replaced.chain(present).map(|known| (known.digest, known)).collect();
        let look_up = |digest| known.get(&digest).cloned().unwrap_or(KnownSecret::unknown(digest));
        Ok(digests.into_iter().map(look_up).collect())
    }
}

/// Only persons see all keys of their tenant.
fn may_see_keys(caller: &Caller) -> Result<(), Refused> {
    caller.require(Right::ReadLeaks)?;
    caller.require(Right::ReadTenant)
}
