//! What many keys have in common, kept once.
//!
//! Keys of one application mostly differ in nothing but their id, digest, expiry, customer and free texts.
//! The rest (scopes, addresses, models, environment, standing) is a *profile*: a [`KeyFacts`] in which
//! everything that is a key's own is left blank. Sharing it saves most of the memory of a key, and the scopes
//! of a busy application stay in the processor's cache.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use keystile_core::key::ModelPattern;
use keystile_core::{KeyFacts, KeyId, KeyKind, Timestamp};
use parking_lot::Mutex;

/// Independent parts, so that growing one holds up few fills and only for a moment.
const PARTS: usize = 16;
/// Buckets looked at for unused profiles whenever one is added: more than one, so that what is unused
/// goes faster than it comes.
const SWEPT_PER_ADDITION: usize = 4;

/// All profiles in use, each once.
pub(crate) struct Profiles {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
}

#[derive(Default)]
struct Part {
    table: HashTable<(u64, Arc<KeyFacts>)>,
    hand: usize,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self { parts: Default::default(), hasher: RandomState::new() }
    }

    /// The profile of a key with these facts.
    pub(crate) fn of(&self, facts: &KeyFacts) -> Arc<KeyFacts> {
        let hash = self.hash(facts);
        let mut part = self.parts[part_of(hash)].lock();
        let known = part.table.find(hash, |(_, profile)| same_profile(profile, facts));
        if let Some((_, profile)) = known {
            return Arc::clone(profile);
        }
        part.sweep();
        let profile = Arc::new(blank(facts));
        part.table.insert_unique(hash, (hash, Arc::clone(&profile)), |(hash, _)| *hash);
        profile
    }

    /// How many there are, some of them perhaps no longer used.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().table.len()).sum()
    }

    fn hash(&self, facts: &KeyFacts) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        (facts.tenant_id, facts.application_id, facts.environment, facts.trust_level).hash(&mut hasher);
        (facts.kind.as_str(), facts.standing, facts.blocked).hash(&mut hasher);
        models(&facts.kind).iter().for_each(|model| model.as_str().hash(&mut hasher));
        facts.scopes.iter().for_each(|grant| grant.as_str().hash(&mut hasher));
        facts.allowed_ips.iter().for_each(|network| network.hash(&mut hasher));
        hasher.finish()
    }
}

impl Part {
    /// Lets go of profiles no key uses any more, a few at a time. The only other owners are keys, and a new
    /// one is handed out only under the lock that is held here.
    fn sweep(&mut self) {
        for _ in 0..SWEPT_PER_ADDITION.min(self.table.num_buckets()) {
            self.hand = (self.hand + 1) % self.table.num_buckets();
            let unused = |entry: &(u64, Arc<KeyFacts>)| Arc::strong_count(&entry.1) == 1;
            if self.table.get_bucket(self.hand).is_some_and(unused)
                && let Ok(entry) = self.table.get_bucket_entry(self.hand)
            {
                entry.remove();
            }
        }
    }
}

/// Bits the hash table itself uses neither for its buckets nor for its tags.
fn part_of(hash: u64) -> usize {
    usize::from((hash >> 40).to_le_bytes()[0]) % PARTS
}

/// The facts without what is a key's own. Names every field, so that a new one needs a choice.
fn blank(facts: &KeyFacts) -> KeyFacts {
    KeyFacts {
        id: KeyId::from_parts(Timestamp::from_millis(0), 0),
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
