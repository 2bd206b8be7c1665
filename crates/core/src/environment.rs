//! The three environments. A key belongs to exactly one and works nowhere else.

use crate::invalid::text_enum;

text_enum!(
    /// Where a key works.
    Environment {
        /// Real-world operations.
        Production = "production",
        /// Integration tests on realistic data.
        Staging = "staging",
        /// First coding and experiments.
        Development = "development",
    }
);

impl Environment {
    /// The part of a key's text that stands for this environment.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Production => "live",
            Self::Staging => "stage",
            Self::Development => "dev",
        }
    }

    /// The environment a key's text names by `tag`.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|environment| environment.tag() == tag)
    }
}
