//! What was charged and is not written, for who has to say what is lost.

use std::collections::BTreeMap;

use keystile_core::quota::Settlement;
use keystile_core::{KeyId, NanoUsd, TenantId};

use super::Quota;

/// What a key was charged and is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnwrittenCharges {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// How many charges.
    pub charges: usize,
    /// Tokens that were used.
    pub tokens: u64,
    /// Money.
    pub cost: NanoUsd,
    /// What of it stands in leases. It counts as spent whatever becomes of this process.
    pub leased: NanoUsd,
}

impl Quota {
    /// What is not written of each key, who was charged most first. Waits for a write that is under way.
    pub(super) async fn unwritten(&self) -> Vec<UnwrittenCharges> {
        let mut keys: BTreeMap<(TenantId, KeyId), UnwrittenCharges> = BTreeMap::new();
        let mut add = |settlement: &Settlement| {
            let whose = settlement.entry.whose;
            let (tenant_id, key_id) = (whose.tenant_id, whose.key_id);
            let nothing = UnwrittenCharges {
                tenant_id,
                key_id,
                charges: 0,
                tokens: 0,
                cost: NanoUsd::ZERO,
                leased: NanoUsd::ZERO,
            };
            keys.entry((tenant_id, key_id)).or_insert(nothing).add(settlement);
        };
        let writing = self.flushing.lock().await;
        let taken = writing.flights.iter().chain(&writing.aside);
        taken.flat_map(|flight| &flight.batch.settled).for_each(&mut add);
        self.queue.for_each(&mut add);
        drop(writing);
        let mut keys: Vec<_> = keys.into_values().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.cost));
        keys
    }
}

impl UnwrittenCharges {
    fn add(&mut self, settlement: &Settlement) {
        let sum = |one: NanoUsd, other: NanoUsd| {
            NanoUsd::from_nanos(one.as_nanos().saturating_add(other.as_nanos()))
        };
        self.charges += 1;
        self.tokens = self.tokens.saturating_add(settlement.entry.used.tokens());
        self.cost = sum(self.cost, settlement.entry.cost);
        self.leased = sum(self.leased, settlement.from_lease);
    }
}
