//! Holds that callers were told of, and what became of them until the ledger tells.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::quota::ChargedHold;
use keystile_core::{HoldId, TenantId};

use super::account::Account;
use super::queue::CHARGES_WAITING;

/// Most holds that callers have open. Theirs last for minutes if nobody settles them: what the gateway holds needs room beside them.
const HANDED: usize = CHARGES_WAITING / 2;
/// Most of them that belong to one tenant, so that one that settles nothing leaves room for others: eleven a second if each is charged only at
/// its deadline, and thousands a second if each is settled.
const HANDED_OF_TENANT: usize = HANDED / 5;

/// Where the holds are that callers were told of.
#[derive(Default)]
pub(super) struct Handed {
    accounts: HashMap<HoldId, Arc<Account>>,
    /// How many each tenant has; who has none is not in it.
    counts: HashMap<TenantId, usize>,
    /// Those that have ended and whose charges are not written: each has its place in the queue, so there are no more of them than that has.
    ended: HashMap<HoldId, Ended>,
}

/// What became of a hold.
#[derive(Clone, Copy)]
pub(super) struct Ended {
    pub(super) tenant_id: TenantId,
    pub(super) charged: ChargedHold,
    /// Whether another server may have ended it, too, so that only the ledger tells.
    pub(super) is_contested: bool,
}

impl Handed {
    /// Whether callers of a tenant have as many as they may. Of many who ask at once each may go one beyond it.
    pub(super) fn is_full(&self, tenant_id: TenantId) -> bool {
        let own = self.counts.get(&tenant_id).copied().unwrap_or(0);
        self.accounts.len() >= HANDED || own >= HANDED_OF_TENANT
    }

    pub(super) fn add(&mut self, tenant_id: TenantId, id: HoldId, account: &Arc<Account>) {
        if self.accounts.insert(id, Arc::clone(account)).is_none() {
            *self.counts.entry(tenant_id).or_default() += 1;
        }
    }

    fn remove(&mut self, tenant_id: TenantId, id: HoldId) {
        if self.accounts.remove(&id).is_none() {
            return;
        }
        let left = self.counts.remove(&tenant_id).unwrap_or(0).saturating_sub(1);
        if left > 0 {
            self.counts.insert(tenant_id, left);
        }
    }

    /// A hold has ended.
    pub(super) fn end(&mut self, ended: Ended) {
        self.remove(ended.tenant_id, ended.charged.id);
        self.ended.insert(ended.charged.id, ended);
    }

    /// What became of a hold of the tenant, if its charge is not written.
    pub(super) fn ended(&self, tenant_id: TenantId, id: HoldId) -> Option<Ended> {
        self.ended.get(&id).filter(|ended| ended.tenant_id == tenant_id).copied()
    }

    /// Another server may have ended those, too, whose charges are not written.
    pub(super) fn contest(&mut self) {
        self.ended.values_mut().for_each(|ended| ended.is_contested = true);
    }

    /// The ledger tells now.
    pub(super) fn forget_ended(&mut self, id: HoldId) {
        self.ended.remove(&id);
    }

    /// Where a hold is.
    pub(super) fn account_of(&self, id: HoldId) -> Option<Arc<Account>> {
        self.accounts.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    #[test]
    fn a_tenant_that_settles_nothing_leaves_room_for_others() {
        let now: Timestamp = "2026-01-31T09:30:00Z".parse().unwrap();
        let (careless, other) = (TenantId::from_parts(now, 1), TenantId::from_parts(now, 2));
        let (mut handed, account) = (Handed::default(), Account::new(None));
        for number in 0..HANDED_OF_TENANT {
            assert!(!handed.is_full(careless));
            handed.add(careless, HoldId::from_parts(now, number as u128), &account);
        }
        assert!(handed.is_full(careless) && !handed.is_full(other));
        handed.remove(careless, HoldId::from_parts(now, 0));
        handed.remove(careless, HoldId::from_parts(now, 0));
        assert!(!handed.is_full(careless));
        assert_eq!(handed.counts[&careless], HANDED_OF_TENANT - 1);
    }
}
