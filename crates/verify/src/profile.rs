//! What many keys have in common, kept once.
//!
//! Keys of one application mostly differ in nothing but their id, digest, expiry, customer and free texts.
//! The rest (scopes, addresses, models, environment, standing) is a *profile*: a [`KeyFacts`] in which
//! everything that is a key's own is left blank. Sharing it saves most of the memory of a key, and the scopes
//! of a busy application stay in the processor's cache.

use std::any::Any;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use keystile_core::key::ModelPattern;
use keystile_core::{KeyFacts, KeyId, KeyKind, LineageLimits, Timestamp};

use crate::meter::{Meter, Meters, OwnerId};
use crate::pool::{Pool, Pooled};

/// What many keys have in common.
pub(crate) struct Profile {
    /// With everything that is a key's own left blank.
    pub(crate) facts: KeyFacts,
    /// What all keys of the application have used.
    pub(crate) application: Arc<Meter>,
    /// What all keys of the tenant have used.
    pub(crate) tenant: Arc<Meter>,
    /// What was derived of the facts; see [`crate::CachedKey::in_common`].
    pub(crate) derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Pooled for Profile {
    /// It is facts only.
    fn is_spent(&self, _now: u64) -> bool {
        true
    }
}

/// All profiles in use, each once.
pub(crate) struct Profiles {
    pool: Pool<Profile>,
    hasher: RandomState,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self { pool: Pool::new(), hasher: RandomState::new() }
    }

    /// The profile of a key with these facts.
    pub(crate) fn of(&self, facts: &KeyFacts, meters: &Meters, now: u64) -> Arc<Profile> {
        let same = |profile: &Profile| same_profile(&profile.facts, facts);
        self.pool.get(self.hash(facts), now, same, || Profile {
            facts: blank(facts),
            application: meters.of(OwnerId::application(facts.application_id), now),
            tenant: meters.of(OwnerId::tenant(facts.tenant_id), now),
            derived: OnceLock::new(),
        })
    }

    /// How many there are, some of them perhaps no longer used.
    pub(crate) fn len(&self) -> usize {
        self.pool.len()
    }

    fn hash(&self, facts: &KeyFacts) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (facts.tenant_id, facts.application_id, facts.environment, facts.trust_level).hash(&mut hasher);
        (facts.kind.as_str(), facts.standing, facts.blocked).hash(&mut hasher);
        models(&facts.kind).iter().for_each(|model| model.as_str().hash(&mut hasher));
        facts.scopes.iter().for_each(|grant| grant.as_str().hash(&mut hasher));
        facts.allowed_ips.iter().for_each(|network| network.hash(&mut hasher));
        if let Some(limits) = &facts.limits {
            (&limits.rates, limits.tokens, limits.budget).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// The facts without what is a key's own. Names every field, so that a new one needs a choice.
fn blank(facts: &KeyFacts) -> KeyFacts {
    KeyFacts {
        id: nobody(),
        tenant_id: facts.tenant_id,
        application_id: facts.application_id,
        customer_id: None,
        environment: facts.environment,
        kind: issued_to_anyone(&facts.kind),
        source_id: None,
        trust_level: facts.trust_level,
        scopes: facts.scopes.clone(),
        allowed_ips: facts.allowed_ips.clone(),
        metadata: Box::default(),
        standing: facts.standing,
        expires_at: None,
        blocked: facts.blocked,
        limits: facts.limits.clone().map(|limits| LineageLimits { lineage_id: nobody(), ..limits }),
    }
}

fn nobody() -> KeyId {
    KeyId::from_parts(Timestamp::from_millis(0), 0)
}

/// Limits of two lineages are the same but for their name.
fn same_limits(one: Option<&LineageLimits>, other: Option<&LineageLimits>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one.rates == other.rates && one.tokens == other.tokens && one.budget == other.budget
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn same_profile(profile: &KeyFacts, facts: &KeyFacts) -> bool {
    profile.tenant_id == facts.tenant_id
        && profile.application_id == facts.application_id
        && profile.environment == facts.environment
        && profile.kind.as_str() == facts.kind.as_str()
        && models(&profile.kind) == models(&facts.kind)
        && profile.trust_level == facts.trust_level
        && profile.standing == facts.standing
        && profile.blocked == facts.blocked
        && profile.scopes == facts.scopes
        && profile.allowed_ips == facts.allowed_ips
        && same_limits(profile.limits.as_ref(), facts.limits.as_ref())
}

fn models(kind: &KeyKind) -> &[ModelPattern] {
    match kind {
        KeyKind::VirtualLlm { allowed_models } => allowed_models,
        KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => &[],
    }
}

fn issued_to_anyone(kind: &KeyKind) -> KeyKind {
    match kind {
        KeyKind::Service { .. } => KeyKind::Service { issued_to_service: None },
        KeyKind::User { .. } => KeyKind::User { issued_to_user_id: None },
        KeyKind::Ingest => KeyKind::Ingest,
        KeyKind::VirtualLlm { allowed_models } => {
            KeyKind::VirtualLlm { allowed_models: allowed_models.clone() }
        }
    }
}
