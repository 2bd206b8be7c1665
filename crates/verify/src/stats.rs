//! What operators see of the cache.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A reading of the counters. Those that count up begin at 0 with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys in memory now.
    pub keys: usize,
    /// Unknown digests in memory now.
    pub absent: usize,
    /// Applications whose routes, or that they have none, are in memory now.
    pub routings: usize,
    /// Sets of facts shared by the keys in memory now, some of them perhaps no longer used.
    pub profiles: usize,
    /// Owners of limits in memory now: of those that were used lately, and of the customers, applications and tenants of
    /// the keys in memory.
    pub meters: usize,
    /// Verifications answered from memory, whatever the answer; malformed texts are not among them.
    pub hits: u64,
    /// Verifications that had to wait for a read.
    pub misses: u64,
    /// Keys that had to make room for others.
    pub evictions: u64,
    /// Unknown digests that had to make room for others.
    pub absent_evictions: u64,
    /// Reads of single keys under way now.
    pub flights: usize,
    /// Keys that wait for a query now, at most [`crate::MISSES_WAITING`].
    pub waiting: usize,
    /// Queries made of the source.
    pub queries: u64,
    /// Verifications refused because the key could not be read.
    pub unavailable: u64,
    /// Uses noted and not yet written, at most [`crate::USES_PENDING`].
    pub uses_pending: usize,
    /// Decisions that are in no usage report, because the source was away for so long that there was no room for
    /// them.
    pub uncounted: u64,
}

/// More than any usual number of worker threads would need; they share stripes beyond it.
const STRIPES: usize = 32;

/// A counter that threads write without disturbing one another.
#[derive(Default)]
pub(crate) struct Striped([Stripe; STRIPES]);

#[derive(Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Striped {
    pub(crate) fn add_one(&self) {
        self.0[stripe_of_thread()].0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get() % STRIPES
    })
}
