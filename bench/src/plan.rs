//! How much is measured.

/// The size of every measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Keys in the SQLite file that are asked for.
    pub(crate) keys: usize,
    /// Keys in the SQLite file beside them.
    pub(crate) further_keys: usize,
    /// Keys in PostgreSQL, where only keys that are not in memory are asked for.
    pub(crate) postgres_keys: usize,
    /// Runs of each row; the median counts.
    pub(crate) rounds: usize,
    /// Length of one run.
    pub(crate) seconds: u64,
    /// Events in the store, at the least, when they are read.
    pub(crate) events: usize,
    /// Keys that are revoked one after the other.
    pub(crate) revocations: usize,
    /// Keys that three nodes revoke.
    pub(crate) revocations_by_nodes: usize,
    /// Seconds for which one key is asked for more often than its limit allows.
    pub(crate) limited_seconds: u64,
    /// Requests through the LLM gateway while its memory is looked at.
    pub(crate) gateway_requests: u32,
}

impl Plan {
    /// Some minutes.
    pub(crate) const QUICK: Self = Self {
        keys: 100_000,
        further_keys: 0,
        postgres_keys: 20_000,
        rounds: 3,
        seconds: 2,
        events: 1_000_000,
        revocations: 200,
        revocations_by_nodes: 3_000,
        limited_seconds: 20,
        gateway_requests: 100_000,
    };
    /// As long as a figure that is published needs: about twenty minutes.
    pub(crate) const FULL: Self = Self {
        keys: 1_000_000,
        further_keys: 0,
        postgres_keys: 50_000,
        rounds: 5,
        seconds: 4,
        events: 10_000_000,
        revocations: 1000,
        revocations_by_nodes: 100_000,
        limited_seconds: 180,
        gateway_requests: 1_000_000,
    };
    /// What grows with the keys in the store, and what must not: ten million of them. Takes 12 GB of disk.
    pub(crate) const HUGE: Self = Self { further_keys: 9_900_000, ..Self::QUICK };
}
