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

/// What was spent by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpendSum {
    /// The id, model or day; `None` for what belongs to none.
    pub name: Option<String>,
    /// What it spent.
    pub spend: Spend,
}
