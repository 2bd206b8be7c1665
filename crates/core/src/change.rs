//! What the control plane tells the data plane after a commit.

use crate::Digest;

/// A committed change of keys. Whoever keeps facts of keys forgets those of these digests before the
/// change is answered; the next question reads them anew. Forgetting can be done in any order and any
/// number of times, so concurrent changes cannot undo one another.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a change that is not applied leaves old facts in use"]
pub struct Change {
    digests: Vec<Digest>,
}

impl Change {
    /// The change touched the keys that are, or were, recognised by `digests`.
    pub fn of(digests: impl IntoIterator<Item = Digest>) -> Self {
        Self { digests: digests.into_iter().collect() }
    }

    /// The digests to forget.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }
}
