//! What operators see of the cache.

/// A reading of the counters. Those that count up begin at 0 with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys in memory now.
    pub keys: usize,
    /// Unknown digests in memory now.
    pub absent: usize,
    /// Applications whose routes, or that they have none, are in memory now.
    pub routings: usize,
    /// Tenants whose providers and models are in memory now.
    pub upstreams: usize,
    /// Sets of facts shared by the keys in memory now, some of them perhaps no longer used.
    pub profiles: usize,
    /// Owners of limits in memory now: of those that were used lately, and of the customers, applications and tenants of
    /// the keys in memory.
    pub meters: usize,
    /// Verifications answered from memory, whatever the answer; malformed texts are not among them.
    pub hits: u64,
    /// Verifications that had to wait for a read.
    pub misses: u64,
    /// Keys that had to make room for others.
    pub evictions: u64,
    /// Unknown digests that had to make room for others.
    pub absent_evictions: u64,
    /// Reads of single keys under way now.
    pub flights: usize,
    /// Keys that wait for a query now, at most [`crate::MISSES_WAITING`].
    pub waiting: usize,
    /// Queries made of the source.
    pub queries: u64,
    /// Verifications refused because the key could not be read.
    pub unavailable: u64,
    /// Uses noted and not yet written, at most [`crate::USES_PENDING`].
    pub uses_pending: usize,
    /// Changes in doubt, of whose keys nothing is kept.
    pub doubts: usize,
    /// Rounds of writing last uses and counts that failed; what was not written stays pending.
    pub flush_failures: u64,
    /// Decisions that are in no usage report, because the source was away for so long that there was no room for
    /// them.
    pub uncounted: u64,
}
