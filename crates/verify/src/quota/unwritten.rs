//! What was charged and is not written, for who has to say what is lost.

use std::collections::{BTreeMap, HashSet};

use keystile_core::quota::Settlement;
use keystile_core::{HoldId, KeyId, NanoUsd, TenantId};

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
    /// What those holds stand for that are known to be written as open: whoever takes up what this process leaves charges each of them in full,
    /// or leaves it to its caller. A part of it may stand in leases as well.
    pub held: NanoUsd,
    /// What neither stands for.
    pub missing: NanoUsd,
}

impl Quota {
    /// What is not written of each key, who was charged most first. Waits for a write that is under way.
    pub(super) async fn unwritten(&self) -> Vec<UnwrittenCharges> {
        let mut keys: BTreeMap<(TenantId, KeyId), UnwrittenCharges> = BTreeMap::new();
        let writing = self.flushing.lock().await;
        let taken = || writing.flights.iter().chain(&writing.aside);
        let opened = taken().flat_map(|flight| &flight.batch.opened);
        let unknown: HashSet<HoldId> = opened.map(|hold| hold.id).collect();
        let mut add = |settlement: &Settlement| {
            let whose = settlement.entry.whose;
            let (tenant_id, key_id) = (whose.tenant_id, whose.key_id);
            let is_known = settlement.entry.hold_id.is_some_and(|id| !unknown.contains(&id));
            let is_noted = settlement.is_noted && is_known;
            let nothing = UnwrittenCharges::none_of(tenant_id, key_id);
            keys.entry((tenant_id, key_id)).or_insert(nothing).add(settlement, is_noted);
        };
        for flight in taken() {
            flight.batch.settled.iter().for_each(&mut add);
        }
        self.queue.for_each(|queued| add(&queued.settlement));
        drop(writing);
        let mut keys: Vec<_> = keys.into_values().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.cost));
        keys
    }
}

impl UnwrittenCharges {
    const fn none_of(tenant_id: TenantId, key_id: KeyId) -> Self {
        Self {
            tenant_id,
            key_id,
            charges: 0,
            tokens: 0,
            cost: NanoUsd::ZERO,
            leased: NanoUsd::ZERO,
            held: NanoUsd::ZERO,
            missing: NanoUsd::ZERO,
        }
    }

    /// `is_noted` tells whether its hold is written as open.
    fn add(&mut self, settlement: &Settlement, is_noted: bool) {
        let sum = |one: NanoUsd, other: NanoUsd| {
            NanoUsd::from_nanos(one.as_nanos().saturating_add(other.as_nanos()))
        };
        let (cost, leased) = (settlement.entry.cost, settlement.from_lease);
        let held = if is_noted { settlement.entry.held } else { NanoUsd::ZERO };
        let missing = cost.as_nanos().saturating_sub(leased.max(held).as_nanos()).max(0);
        self.charges += 1;
        self.tokens = self.tokens.saturating_add(settlement.entry.used.tokens());
        self.cost = sum(self.cost, cost);
        self.leased = sum(self.leased, leased);
        self.held = sum(self.held, held);
        self.missing = sum(self.missing, NanoUsd::from_nanos(missing));
    }
}
