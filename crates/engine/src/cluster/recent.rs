//! Which changes were heard just now, so that a renewal that finds them once more does not have them forgotten again.

use std::collections::HashSet;

use parking_lot::Mutex;

/// Revisions that were heard since the renewal before the last. What was heard while one was under way is found by the next one.
#[derive(Default)]
pub(super) struct Recent(Mutex<[HashSet<i64>; 2]>);

impl Recent {
    pub(super) fn note(&self, revision: i64) {
        self.0.lock()[0].insert(revision);
    }

    pub(super) fn has(&self, revision: i64) -> bool {
        self.0.lock().iter().any(|heard| heard.contains(&revision))
    }

    /// A renewal has ended.
    pub(super) fn turn(&self) {
        let mut heard = self.0.lock();
        heard.swap(0, 1);
        heard[0].clear();
    }

    /// Another connection begins, perhaps to a database that gives the same numbers to other changes.
    pub(super) fn clear(&self) {
        *self.0.lock() = Default::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_known_for_two_renewals() {
        let recent = Recent::default();
        recent.note(7);
        recent.turn();
        assert!(recent.has(7) && !recent.has(8));
        recent.turn();
        assert!(!recent.has(7));
        recent.note(9);
        recent.clear();
        assert!(!recent.has(9));
    }
}
