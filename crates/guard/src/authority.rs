//! Who knows whether a key is good.

use keystile_bearer::Refused;

use crate::{Question, VerifiedKey};

/// Decides about keys. Whoever cannot decide refuses with [`keystile_core::Code::EnforcementUnavailable`]; there is no
/// way to say nothing.
pub trait Authority: Clone + Send + Sync + 'static {
    /// Whether the presented key may do what is asked, now. A yes counts against the limits of the key.
    fn decide(
        &self,
        presented: &str,
        question: &Question,
    ) -> impl Future<Output = Result<VerifiedKey, Refused>> + Send;
}
