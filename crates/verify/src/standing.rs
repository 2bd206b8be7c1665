//! Whether what is in memory may be believed.
//!
//! Where a verifier hears of every change before anybody is answered, it may be believed at any time. A node of several hears of the
//! changes of others as long as it holds a lease, which others wait for; once that is over they do not, and each question goes to the
//! source. The end of a lease is looked for with every question, by the clock, as whoever was stopped for a while has not seen it come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keystile_core::Clock;
use parking_lot::{RwLock, RwLockReadGuard};

/// The end of what never ends.
const ALWAYS: u64 = u64::MAX;

pub(crate) struct Standing {
    clock: Arc<dyn Clock>,
    /// In milliseconds of [`Clock::unslept_millis`].
    until: AtomicU64,
    /// How often a lease began after there was none. Held by who begins one.
    began: RwLock<u64>,
}

/// A time without a lease.
#[derive(Clone, Copy)]
pub(crate) struct Without(u64);

impl Standing {
    /// Memory may always be believed.
    pub(crate) fn always(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, until: AtomicU64::new(ALWAYS), began: RwLock::new(0) })
    }

    /// Memory may be believed under a lease; there is none yet.
    pub(crate) fn on_lease(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, until: AtomicU64::new(0), began: RwLock::new(0) })
    }

    /// Whether memory may be believed now. Reads no clock where that is always so.
    pub(crate) fn is_good(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == ALWAYS || self.clock.unslept_millis() < until
    }

    /// For how many milliseconds it may be, at the most.
    pub(crate) fn left_millis(&self) -> u64 {
        match self.until.load(Ordering::Acquire) {
            ALWAYS => ALWAYS,
            until => until.saturating_sub(self.clock.unslept_millis()),
        }
    }

    /// There is a lease until this moment. If there was none before, `forget` comes first.
    pub(crate) fn extend(&self, until: u64, forget: impl FnOnce()) {
        let mut began = self.began.write();
        if !self.is_good() {
            *began += 1;
            forget();
        }
        self.until.store(until.min(ALWAYS - 1), Ordering::Release);
    }

    /// There is no lease any more.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Release);
    }

    /// To be remembered by who begins to read without a lease.
    pub(crate) fn without(&self) -> Without {
        Without(*self.began.read())
    }

    /// Keeps a lease from beginning, if none has since; what was read without one may be used as long as this is held.
    pub(crate) fn still(&self, without: Without) -> Option<RwLockReadGuard<'_, u64>> {
        let began = self.began.read();
        (*began == without.0 && !self.is_good()).then_some(began)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use keystile_core::Timestamp;

    use super::*;

    #[derive(Default)]
    struct Turned(AtomicU64);

    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn elapsed_millis(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_lease_ends_by_the_clock_alone() {
        let clock = Arc::new(Turned::default());
        let standing = Standing::on_lease(Arc::clone(&clock) as _);
        assert!(!standing.is_good());
        standing.extend(10, || {});
        clock.0.store(9, Ordering::SeqCst);
        assert!(standing.is_good() && standing.left_millis() == 1);
        clock.0.store(10, Ordering::SeqCst);
        assert!(!standing.is_good() && standing.left_millis() == 0);
        standing.extend(20, || {});
        standing.end();
        assert!(!standing.is_good());
        assert!(Standing::always(clock).is_good());
    }

    #[test]
    fn only_a_lease_that_begins_forgets() {
        let clock = Arc::new(Turned::default());
        let standing = Standing::on_lease(Arc::clone(&clock) as _);
        let forgets = |until| {
            let forgotten = AtomicBool::new(false);
            standing.extend(until, || forgotten.store(true, Ordering::SeqCst));
            forgotten.into_inner()
        };
        assert!(forgets(10));
        assert!(!forgets(20));
        clock.0.store(20, Ordering::SeqCst);
        assert!(forgets(30));
        standing.end();
        assert!(forgets(40));
    }

    #[test]
    fn what_was_read_without_a_lease_is_good_until_one_begins() {
        let clock = Arc::new(Turned::default());
        let standing = Standing::on_lease(Arc::clone(&clock) as _);
        let without = standing.without();
        assert!(standing.still(without).is_some());
        standing.extend(10, || {});
        assert!(standing.still(without).is_none());
        clock.0.store(10, Ordering::SeqCst);
        assert!(standing.still(without).is_none(), "another lease was between");
        assert!(standing.still(standing.without()).is_some());
    }
}
