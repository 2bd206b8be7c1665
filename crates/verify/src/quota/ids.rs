//! The names of holds.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use keystile_core::quota::Mark;
use keystile_core::{HoldId, Timestamp};

/// Names holds. Ids of different processes differ by their marks, and by what the system gave them to begin with; those of one by their number.
pub(super) struct Ids {
    mark: Mark,
    next: AtomicU64,
}

impl Ids {
    /// The standard library seeds its hashers by the system.
    pub(super) fn of(mark: Mark) -> Self {
        Self { mark, next: AtomicU64::new(RandomState::new().hash_one(0)) }
    }

    pub(super) fn next(&self, at: Timestamp) -> HoldId {
        self.mark.hold(at, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
