//! How much may be kept in memory.

/// How many entries the cache may hold. Both bounds are hard; at least one entry of each is kept.
///
/// What was used of limits is not cached facts, but the only copy, so it is not bounded here: about 110 bytes for each
/// lineage, customer, application or tenant whose limits are used and have not come back yet. Only good keys make any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most keys whose facts are kept. A key whose scopes are shared by others takes about 200 bytes.
    pub keys: usize,
    /// Most unknown digests that are remembered, at about 50 bytes each. They have room of their own, so that a
    /// flood of invented keys cannot push good ones out.
    pub absent: usize,
}

impl Default for Bounds {
    /// A million keys and a hundred thousand unknown digests: at most about 250 MB, taken as it is needed.
    fn default() -> Self {
        Self { keys: 1_000_000, absent: 100_000 }
    }
}
