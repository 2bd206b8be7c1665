//! What is common to the spans of all crates.

/// The target of spans that are exported. Where nothing is exported they are switched off by it, and cost nothing; logs never
/// show them.
pub const SPANS: &str = "keystile::spans";
