//! How fast money is spent, so that a lease lasts for some seconds.

use crate::NanoUsd;

/// What is measured for less than this says little.
const SHORTEST_MILLIS: u64 = 1_000;
/// Beyond this nothing of what was before counts any more.
const LONGEST_MILLIS: u64 = 60_000;

/// A moving average of spending. It forgets half of what was with each look, and looks are a second apart at least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pace {
    nanos_per_second: i64,
    since: u64,
    spent: i64,
}

impl Pace {
    /// So much was spent.
    pub const fn note(&mut self, cost: NanoUsd) {
        self.spent = self.spent.saturating_add(cost.as_nanos());
    }

    /// What so many seconds will take if it goes on as it did. `now` is in milliseconds of a clock that does not go back.
    pub fn ahead(&mut self, seconds: i64, now: u64) -> NanoUsd {
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= SHORTEST_MILLIS {
            let millis = i64::try_from(elapsed).unwrap_or(i64::MAX);
            let latest = i64::try_from(i128::from(self.spent) * 1_000 / i128::from(millis)).unwrap_or(i64::MAX);
            let before = if elapsed > LONGEST_MILLIS { latest } else { self.nanos_per_second };
            *self = Self { nanos_per_second: i64::midpoint(before, latest), since: now, spent: 0 };
        }
        NanoUsd::from_nanos(self.nanos_per_second.max(self.spent).saturating_mul(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_pace_is_met_and_a_silence_forgotten() {
        let (mut pace, cost) = (Pace::default(), NanoUsd::from_nanos(1_000));
        for second in 1..=20 {
            (0..10).for_each(|_| pace.note(cost));
            pace.ahead(5, second * 1_000);
        }
        let ahead = pace.ahead(5, 20_000).as_nanos();
        assert!((45_000..=50_000).contains(&ahead), "{ahead}");
        assert_eq!(pace.ahead(5, 20_000 + LONGEST_MILLIS + 1).as_nanos(), 0);
    }

    #[test]
    fn the_first_second_counts_at_once() {
        let mut pace = Pace::default();
        pace.note(NanoUsd::from_nanos(7));
        assert_eq!(pace.ahead(5, 10).as_nanos(), 35);
    }
}
