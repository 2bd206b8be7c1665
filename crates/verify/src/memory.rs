//! What a verifier may believe of what it remembers, and what it forgets.

use std::sync::atomic::Ordering;

use keystile_core::{Change, Digest};

use crate::cache::Look;
use crate::verifier::Verifier;

impl Verifier {
    /// Forgets what a committed change made untrue. Once this has returned, no verification that starts later
    /// uses facts read before the change, not even from a read that is under way now. Waits for no read and
    /// no verification. Changes may be applied in any order and more than once.
    pub fn apply(&self, change: &Change) {
        change.digests().iter().for_each(|digest| self.cache.forget(digest));
        change.routed().iter().for_each(|id| self.routings.slots.forget(*id));
        change.supplied().iter().for_each(|id| self.supplies.slots.forget(*id));
        self.forget_limits(change);
    }

    /// Forgets what a change made untrue that may have been committed, or still be, and keeps nothing of its keys: each
    /// question about them is read anew, until [`Self::settle`] is called for the same change.
    pub fn doubt(&self, change: &Change) {
        self.doubts.fetch_add(1, Ordering::Relaxed);
        change.digests().iter().for_each(|digest| self.cache.doubt(digest));
        change.routed().iter().for_each(|id| self.routings.slots.doubt(*id));
        change.supplied().iter().for_each(|id| self.supplies.slots.doubt(*id));
        self.forget_limits(change);
    }

    /// Applies a change that was in doubt, whose transaction has ended.
    pub fn settle(&self, change: &Change) {
        change.digests().iter().for_each(|digest| self.cache.settle_doubt(digest));
        change.routed().iter().for_each(|id| self.routings.slots.settle(*id));
        change.supplied().iter().for_each(|id| self.supplies.slots.settle(*id));
        self.forget_limits(change);
        // One that was not in doubt is not counted off.
        let _none_open =
            self.doubts.try_update(Ordering::Relaxed, Ordering::Relaxed, |open| open.checked_sub(1));
    }

    fn forget_limits(&self, change: &Change) {
        self.forget_budgets(change);
        change.limited().iter().for_each(|owner| self.fills.forget_limits(owner.into()));
    }

    /// Forgets every key, as [`Self::apply`] does for some: for when changes may have been missed.
    pub fn forget_all(&self) {
        self.cache.forget_all();
        self.routings.slots.forget_all();
        self.supplies.slots.forget_all();
        self.forget_leases();
    }

    /// From now on, until this moment of [`keystile_core::Clock::unslept_millis`], every change is told before anybody is answered. Forgets everything first
    /// if that was not so until now. Call it with a moment that whoever waits for this verifier waits for, too, and only when all that was
    /// told is applied.
    pub fn extend_lease(&self, until_millis: u64) {
        self.standing.extend(until_millis, || self.forget_all());
    }

    /// Changes may no longer be told: the lease is over, at once.
    pub fn end_lease(&self) {
        self.standing.end();
    }

    /// Whether it may answer from memory now.
    pub fn has_lease(&self) -> bool {
        self.standing.is_good()
    }

    /// For how many milliseconds more it may, unless the lease is extended; [`u64::MAX`] for one that needs no lease.
    pub fn lease_left_millis(&self) -> u64 {
        self.standing.left_millis()
    }

    /// What is known of a digest, as far as that may be believed.
    pub(crate) fn look_up(&self, digest: &Digest) -> Look {
        if self.standing.is_good() { self.cache.look_up(digest) } else { Look::Unknown }
    }
}
