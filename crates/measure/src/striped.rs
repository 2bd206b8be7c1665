//! Counters that many threads write at once.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More than any usual number of worker threads would need; they share stripes beyond it.
const STRIPES: usize = 32;

/// `N` counters that threads write without disturbing one another: each has its own copy of all of them.
#[derive(Debug)]
pub struct Striped<const N: usize = 1>(Box<[Stripe<N>]>);

/// Two cache lines, as processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Stripe<const N: usize>([AtomicU64; N]);

thread_local! {
    static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        let stripe = |_| Stripe(std::array::from_fn(|_| AtomicU64::new(0)));
        Self((0..STRIPES).map(stripe).collect())
    }
}

impl<const N: usize> Striped<N> {
    /// Counts one at `place`; nothing if there is no such place.
    pub fn add_one(&self, place: usize) {
        let counter = self.0.get(stripe_of_thread()).and_then(|stripe| stripe.0.get(place));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted at `place` by all threads.
    pub fn sum(&self, place: usize) -> u64 {
        let of_stripe =
            |stripe: &Stripe<N>| stripe.0.get(place).map(|counter| counter.load(Ordering::Relaxed));
        self.0.iter().filter_map(of_stripe).sum()
    }
}

fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_threads_count_is_lost() {
        let counters = Striped::<3>::default();
        std::thread::scope(|scope| {
            for thread in 0..2 * STRIPES {
                let counters = &counters;
                scope.spawn(move || (0..1_000).for_each(|_| counters.add_one(thread % 2)));
            }
        });
        let sums = [0, 1, 2, 3].map(|place| counters.sum(place));
        assert_eq!(sums, [32_000, 32_000, 0, 0]);
    }
}
