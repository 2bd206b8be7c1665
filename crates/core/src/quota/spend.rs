//! What was spent, by whom and on what.

use crate::NanoUsd;
use crate::invalid::text_enum;

text_enum!(
    /// What spending is told by.
    SpendBy {
        /// The key that was used.
        Key = "key",
        /// The customer that the key was restricted to.
        Customer = "customer",
        /// The application that the key was issued to.
        Application = "application",
        /// The model that was used.
        Model = "model",
        /// The UTC day on which the request began.
        Day = "day",
    }
);

/// Requests, tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spend {
    /// Requests that were charged.
    pub requests: u64,
    /// Tokens of input that were neither read from nor written to a cache.
    pub input: u64,
    /// Tokens of input read from a cache.
    pub cached_input: u64,
    /// Tokens of input written to a cache.
    pub cache_write: u64,
    /// Tokens of output.
    pub output: u64,
    /// Money, with corrections and what was lost.
    pub cost: NanoUsd,
}

impl Spend {
    /// Both together; what no integer holds stands still at its end.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            input: self.input.saturating_add(other.input),
            cached_input: self.cached_input.saturating_add(other.cached_input),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            output: self.output.saturating_add(other.output),
            cost: NanoUsd::from_nanos(self.cost.as_nanos().saturating_add(other.cost.as_nanos())),
        }
    }
}

/// What was spent by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendSum {
    /// The id, model or day; `None` for what belongs to none.
    pub name: Option<String>,
    /// What it spent.
    pub spend: Spend,
}

/// What was spent, as a report tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spending {
    /// Each; whoever spent most comes first, and days come in their order.
    pub sums: Vec<SpendSum>,
    /// All together, also what is in no sum that is told.
    pub total: Spend,
    /// Whether there are more sums than are told.
    pub has_more: bool,
}
