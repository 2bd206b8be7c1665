//! What a limit is counted in where its authority has whole numbers up to 2⁵³ only, as the scripts of Redis have.
//!
//! On one server a request puts `window` parts into a bucket that leaks `limit` parts a millisecond. Divided by what the two have in common
//! that fits nearly always. Where it does not, the parts are made coarser, and what leaks is rounded down: such a limit gives up to a
//! millionth less than it says, and never more.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Full, Rate, Rates, Used};
use crate::limit::{MAX_COUNT, MAX_WINDOW_SECONDS};
use crate::quota::{TOKEN_WINDOW_SECONDS, TPM};

/// Most that a full bucket holds: twice as much, and a request on top, is still far from where numbers become inexact.
pub const MOST_UNITS: u64 = 1 << 51;

/// The coarsest units still leak hundreds of thousands a millisecond.
const _: () = assert!(MOST_UNITS / (MAX_WINDOW_SECONDS * 1_000) > 500_000);

/// A limit in units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units {
    /// What a request of cost 1 puts in.
    pub cell: u64,
    /// What leaks out in a millisecond.
    pub leak: u64,
    /// What the bucket holds; at most [`MOST_UNITS`].
    pub room: u64,
}

/// What a level is at least, for each limit of an owner, in their order; it may be below nothing.
pub type Floors = SmallVec<[i64; 2]>;

impl Rate {
    /// This limit in units.
    pub fn units(&self) -> Units {
        let common = common_divisor(self.limit, self.parts());
        let (cell, leak) = (self.parts() / common, self.limit / common);
        if self.burst.saturating_mul(cell) <= MOST_UNITS {
            return Units { cell, leak, room: self.burst * cell };
        }
        let cell = MOST_UNITS / self.burst;
        let leak = u128::from(self.limit) * u128::from(cell) / u128::from(self.parts());
        Units { cell, leak: u64::try_from(leak).unwrap_or(MOST_UNITS), room: self.burst * cell }
    }

    /// Milliseconds in which so many requests become free, rounded up.
    pub const fn millis_for(&self, cells: u64) -> u64 {
        self.millis_to_leak(cells.saturating_mul(self.parts()))
    }
}

impl Rates {
    /// Tokens per minute, as a limit that is counted as those of requests are.
    pub fn of_tokens(limit: u64) -> Self {
        let limit = Rate::new(TPM, limit, TOKEN_WINDOW_SECONDS, None);
        Self(Some(Arc::new(Box::from([limit]))))
    }
}

impl Used {
    /// The most that can come at once under all limits; nothing limits it if there is none.
    pub fn most_at_once(&self) -> u64 {
        self.rates.as_slice().iter().map(Rate::burst).min().unwrap_or(u64::MAX)
    }

    /// Counts `cells` on all limits, or takes them back if they are fewer than none, whether or not there is room.
    pub fn put(&mut self, cells: i64) {
        let count = cells.unsigned_abs().min(MAX_COUNT);
        for (level, rate) in self.levels.iter_mut().zip(self.rates.as_slice()) {
            let parts = count * rate.parts();
            *level = if cells < 0 { level.saturating_sub(parts) } else { level.saturating_add(parts) };
        }
    }

    /// Milliseconds in which all that can come at once becomes free, of the limit for which that takes least; 0 if there is none.
    pub fn refill_millis(&self) -> u64 {
        self.rates.as_slice().iter().map(|rate| rate.millis_for(rate.burst)).min().unwrap_or(0)
    }

    /// Milliseconds in which `cells` of the limit at `place` become free.
    pub fn millis_for(&self, place: usize, cells: u64) -> u64 {
        self.rates.as_slice().get(place).map_or(0, |rate| rate.millis_for(cells))
    }

    /// How much of the first limit leaks out in so many milliseconds, rounded up.
    pub fn leaked(&self, millis: u64) -> u64 {
        let leaked = |rate: &Rate| millis.saturating_mul(rate.limit).div_ceil(rate.parts());
        self.rates.as_slice().first().map_or(0, leaked)
    }

    /// How a request is refused that costs more than can ever come at once.
    pub fn never(&self, cells: u64) -> Full {
        let place = self.rates.as_slice().iter().position(|rate| cells > rate.burst);
        Full { place: place.unwrap_or(0), wait_millis: None }
    }

    /// Whether so much fits all limits, as of the last [`Self::advance`].
    ///
    /// # Errors
    /// Says which limit is full and for how long.
    pub fn check_cells(&self, cells: u64) -> Result<(), Full> {
        // What is more than a limit can name never fits either.
        self.check(u32::try_from(cells).unwrap_or(u32::MAX))
    }

    /// How much is used of each of these limits, in units, rounded up. What would have leaked out until `now` is taken off, be that more than
    /// there was; of a limit that is not known it is the lowest floor that there is.
    pub fn floors(&self, rates: &Rates, now: u64) -> Floors {
        let elapsed = now.saturating_sub(self.as_of);
        let most = 2 * i128::from(MOST_UNITS);
        let floor = |new: &Rate| {
            let mut known = self.levels.iter().zip(self.rates.as_slice());
            let (level, old) = known.find(|(_, old)| old.name == new.name)?;
            let parts = i128::from(*level) - i128::from(elapsed.saturating_mul(old.limit));
            let (to, from) = (i128::from(new.units().cell), i128::from(old.parts()));
            // What is below nothing is rounded up by being cut off.
            let up = if parts > 0 { from - 1 } else { 0 };
            Some((parts * to + up) / from)
        };
        let floor = |rate| floor(rate).unwrap_or(-most).clamp(-most, most);
        rates.as_slice().iter().map(|rate| i64::try_from(floor(rate)).unwrap_or(i64::MAX)).collect()
    }

    /// An authority has told how much is used of each limit, in units, as of now; `beside` it so much was used that it does not know of.
    pub fn learn(&mut self, told: &[u64], beside: i64) {
        for ((level, rate), told) in self.levels.iter_mut().zip(self.rates.as_slice()).zip(told) {
            *level = scaled(*told, rate.parts(), rate.units().cell).min(MAX_COUNT * rate.parts());
        }
        self.put(beside);
    }
}

/// `amount × to / from`, rounded up.
fn scaled(amount: u64, to: u64, from: u64) -> u64 {
    let product = (u128::from(amount) * u128::from(to)).div_ceil(u128::from(from.max(1)));
    u64::try_from(product).unwrap_or(u64::MAX)
}

const fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RateLimit;

    fn rates(limit: u64, window_seconds: u64, burst: u64) -> Rates {
        Rates::new(
            None,
            &[RateLimit { name: "a".into(), limit, window_seconds, burst: Some(burst), when_away: None }],
        )
    }

    #[test]
    fn usual_limits_lose_nothing_and_the_largest_a_millionth() {
        let units = rates(1_000, 60, 1_000).as_slice()[0].units();
        assert_eq!(units, Units { cell: 60, leak: 1, room: 60_000 });
        for (limit, window, burst) in [
            (MAX_COUNT, MAX_WINDOW_SECONDS, MAX_COUNT),
            (MAX_COUNT, 1, 1),
            (999_999_937, MAX_WINDOW_SECONDS, 999_999_937),
            (7, MAX_WINDOW_SECONDS, 3),
            (1, 1, 1),
        ] {
            let units = rates(limit, window, burst).as_slice()[0].units();
            assert!(units.room <= MOST_UNITS && units.leak > 0, "{units:?}");
            let (exact, told) = (u128::from(limit) * u128::from(units.cell), u128::from(window) * 1_000);
            let leaked = u128::from(units.leak) * told;
            assert!(leaked <= exact && exact - leaked <= exact / 500_000, "{limit} a {window}: {units:?}");
        }
    }

    #[test]
    fn what_an_authority_tells_is_what_is_known_and_what_it_has_not_heard_comes_on_top() {
        let (rates, mut used) = (rates(10, 60, 10), Used::default());
        used.advance(&rates, 0);
        let cell = rates.as_slice()[0].units().cell;
        used.learn(&[7 * cell], 1);
        assert_eq!(used.count(0).unwrap().remaining, 2);
        used.put(-8);
        assert_eq!((used.count(0).unwrap().remaining, used.most_at_once()), (10, 10));
    }

    #[test]
    fn a_floor_sinks_below_nothing() {
        let (rates, mut used) = (rates(10, 60, 10), Used::default());
        used.advance(&rates, 1_000);
        let cell = rates.as_slice()[0].units().cell.cast_signed();
        used.put(2);
        let floor = |now| used.floors(&rates, now)[0];
        assert_eq!((floor(1_000), floor(7_000), floor(31_000)), (2 * cell, cell, -3 * cell));
        assert_eq!((floor(1_001), floor(13_001)), (2 * cell - 1, -1));
        let lowest = -2 * MOST_UNITS.cast_signed();
        assert_eq!(floor(u64::MAX), lowest);
        assert_eq!(Used::default().floors(&rates, 1_000)[0], lowest, "nothing is known");
        let (raised, doubled) = (self::rates(20, 60, 20), self::rates(10, 120, 10));
        let cell = |rates: &Rates| rates.as_slice()[0].units().cell.cast_signed();
        assert_eq!(used.floors(&raised, 1_000)[0], 2 * cell(&raised));
        assert_eq!(used.floors(&doubled, 31_000)[0], -3 * cell(&doubled));
    }
}
