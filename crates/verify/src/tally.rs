//! A count that knows its minute, in four bytes.

use std::sync::atomic::{AtomicU32, Ordering};

use keystile_core::Minute;

/// Bits of the count.
const COUNT_BITS: u32 = 22;
const MOST: u32 = (1 << COUNT_BITS) - 1;
/// So many minutes are told apart, more than seventeen hours; counts are gathered every few seconds.
const MINUTES: u32 = 1 << (u32::BITS - COUNT_BITS);

/// How often something happened in one minute, of which the last ten bits are kept.
#[derive(Default)]
pub(crate) struct Tally(AtomicU32);

/// What counting one more meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// There were others before it in the same minute.
    Another,
    /// It is the first since the count was taken.
    First,
    /// It is the first of another minute, or there was no room: what stood there before is given back.
    Instead(Taken),
}

/// A count on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    low_minute: u32,
    pub(crate) count: u32,
}

impl Tally {
    /// Counts one.
    pub(crate) fn add(&self, minute: Minute) -> Added {
        let low_minute = minute.number() % MINUTES;
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let before = Taken::of(word);
            let (next, added) = match before.count {
                0 => (low_minute << COUNT_BITS | 1, Added::First),
                count if count < MOST && before.low_minute == low_minute => (word + 1, Added::Another),
                _ => (low_minute << COUNT_BITS | 1, Added::Instead(before)),
            };
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return added,
                Err(other) => word = other,
            }
        }
    }

    /// Takes what is counted.
    pub(crate) fn take(&self) -> Taken {
        Taken::of(self.0.swap(0, Ordering::Relaxed))
    }
}

impl Taken {
    fn of(word: u32) -> Self {
        Self { low_minute: word >> COUNT_BITS, count: word & MOST }
    }

    /// The minute, of those that end with the same bits the nearest to `now`.
    pub(crate) fn minute(self, now: Minute) -> Minute {
        let ahead = self.low_minute.wrapping_sub(now.number()) % MINUTES;
        let number = now.number().wrapping_add(ahead);
        Minute::new(if ahead > MINUTES / 2 { number.saturating_sub(MINUTES) } else { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_of_one_minute() {
        let (tally, first) = (Tally::default(), Minute::new(29_000_000));
        let next = Minute::new(29_000_001);
        assert_eq!((tally.add(first), tally.add(first)), (Added::First, Added::Another));
        let Added::Instead(taken) = tally.add(next) else { panic!("it was counted to the minute before") };
        assert_eq!((taken.count, taken.minute(next)), (2, first));
        let taken = tally.take();
        assert_eq!((taken.count, taken.minute(next)), (1, next));
        assert_eq!((tally.take().count, tally.add(next)), (0, Added::First));
    }

    #[test]
    fn a_count_that_is_full_is_given_back() {
        let (tally, minute) = (Tally::default(), Minute::new(7));
        tally.0.store(7 << COUNT_BITS | MOST, Ordering::Relaxed);
        let Added::Instead(taken) = tally.add(minute) else { panic!("it ran over") };
        assert_eq!((taken.count, taken.minute(minute)), (MOST, minute));
        assert_eq!(tally.take().count, 1);
    }

    #[test]
    fn the_minute_is_the_nearest_one_also_when_the_clock_was_turned() {
        for (counted, now) in [(29_000_000, 29_000_500), (29_000_500, 29_000_000), (1_023, 1_024), (0, 0)] {
            let tally = Tally::default();
            tally.add(Minute::new(counted));
            assert_eq!(tally.take().minute(Minute::new(now)), Minute::new(counted));
        }
    }
}
