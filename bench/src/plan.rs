//! How much is measured.

/// The size of every measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Keys in the SQLite file.
    pub(crate) keys: usize,
    /// Keys in PostgreSQL, where only keys that are not in memory are asked for.
    pub(crate) postgres_keys: usize,
    /// Runs of each row; the median counts.
    pub(crate) rounds: usize,
    /// Length of one run.
    pub(crate) seconds: u64,
    /// Keys that are revoked one after the other.
    pub(crate) revocations: usize,
}

impl Plan {
    /// Some minutes.
    pub(crate) const QUICK: Self =
        Self { keys: 100_000, postgres_keys: 20_000, rounds: 3, seconds: 2, revocations: 200 };
    /// As long as a figure that is published needs: about a quarter of an hour.
    pub(crate) const FULL: Self =
        Self { keys: 1_000_000, postgres_keys: 50_000, rounds: 5, seconds: 4, revocations: 1000 };
}
