//! A budget, and how requests are refused that do not fit.

use crate::{BudgetPeriod, NanoUsd, Timestamp};

/// Most that the keys of a lineage may spend together in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// So much.
    pub max: NanoUsd,
    /// How long it lasts.
    pub period: BudgetPeriod,
}

/// A request does not fit the limit on tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokensExceeded {
    /// Tokens per minute.
    pub limit: u64,
    /// How many of them are used now, held ones included.
    pub used: u64,
    /// How many the request needs at least.
    pub requested: u64,
    /// Milliseconds until the same request fits, if no other comes; `None` if it needs more than the whole limit.
    pub wait_millis: Option<u64>,
}

impl TokensExceeded {
    /// How many are left now.
    pub const fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Whole seconds after which the same request fits, rounded up; `None` if it never will.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.wait_millis.map(|millis| millis.div_ceil(1_000))
    }
}

/// A request does not fit what is left of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetLeft {
    /// Most that may be spent in the period.
    pub max: NanoUsd,
    /// What is spent.
    pub spent: NanoUsd,
    /// What is held for requests under way.
    pub held: NanoUsd,
    /// How long the budget lasts.
    pub period: BudgetPeriod,
    /// When it begins anew; `None` if never.
    pub ends_at: Option<Timestamp>,
}
