//! What a server and the authority of budgets say to each other.

use crate::quota::{Budget, BudgetTime, LedgerEntry, OpenHold, Span};
use crate::{AuditEntry, HoldId, KeyId, NanoUsd, TenantId};

/// A server asks for a part of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseAsk {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The key that is to spend it; what its record says of the budget by then counts, too.
    pub key_id: KeyId,
    /// The first key of its lineage, whose budget it is.
    pub lineage_id: KeyId,
    /// The budget, as the server knows it.
    pub budget: Budget,
    /// The period that pays.
    pub span: Span,
    /// Less than this is of no use.
    pub least: NanoUsd,
    /// More than this is not needed; not below `least`.
    pub wanted: NanoUsd,
    /// What of its lease the server gives back together with this, whatever it is answered.
    pub returned: NanoUsd,
    /// What it has charged beyond its leases and not written yet, and what requests may cost that began when there was no budget. It counts
    /// as spent.
    pub debt: NanoUsd,
}

/// What the authority answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leased {
    /// How much more is leased; nothing if `least` does not fit.
    pub granted: NanoUsd,
    /// What is written as spent in the period.
    pub spent: NanoUsd,
    /// All that the server has leased of the budget now.
    pub own: NanoUsd,
    /// What others have leased that bears on the same budget.
    pub others: NanoUsd,
}

/// How much of a budget a server really has leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTruth {
    /// The first key of the lineage.
    pub lineage_id: KeyId,
    /// Which period of the budget.
    pub time: BudgetTime,
    /// So much: the rest of what the authority has noted is free for others.
    pub leased: NanoUsd,
}

/// A hold that is settled, to be written once.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// The row of the ledger; it names the hold.
    pub entry: LedgerEntry,
    /// The budget that was leased for it.
    pub budget: Option<BudgetTime>,
    /// How much smaller the lease is by this charge.
    pub from_lease: NanoUsd,
    /// Whether it is, or may be, written that the hold is open.
    pub is_noted: bool,
    /// What the audit log is told, if somebody settled it by hand.
    pub audit: Option<Box<AuditEntry>>,
}

/// What a server writes of its holds in one transaction. It may be offered more than once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QuotaBatch {
    /// Holds that are settled. One that was written before, by its id, is left as it is.
    pub settled: Vec<Settlement>,
    /// Holds that are open and were not written yet.
    pub opened: Vec<OpenHold>,
    /// Holds that were written as open and given back without a charge.
    pub released: Vec<HoldId>,
}

impl QuotaBatch {
    /// Whether there is nothing to write.
    pub const fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.opened.is_empty() && self.released.is_empty()
    }
}
