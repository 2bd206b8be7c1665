//! How much of a rate limit is used: GCRA in integers, exact to the request.
//!
//! A limit of `limit` requests per `window` with a `burst` is a bucket that leaks `limit` parts a millisecond, in which
//! each request puts `window` parts and which holds `burst × window` parts. With parts that small nothing is ever rounded:
//! in any span of time, however it is cut, no more is admitted than `burst` and what the limit gives for that
//! span, and nothing is refused that keeps to this.
//!
//! What is used of a limit is one integer; the limits of one owner share the moment at which theirs are true.

mod units;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::invalid::text_enum;
use crate::limit::{MAX_COUNT, MAX_WINDOW_SECONDS};
use crate::{LogRequests, RateLimit, WhenAway};

pub use units::{Floors, MOST_UNITS, Units};

/// The name under which requests per minute appear in answers.
pub const RPM: &str = "rpm";
const MINUTE_SECONDS: u64 = 60;

/// The fullest bucket with the dearest request on top still fits the integer that holds it.
const _: () = assert!((MAX_COUNT as u128) * (MAX_WINDOW_SECONDS as u128) * 1_000 * 2 < u64::MAX as u128);

/// One limit on requests, ready to be applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rate {
    name: Box<str>,
    limit: u64,
    window_seconds: u64,
    burst: u64,
    when_away: Option<WhenAway>,
}

impl Rate {
    fn new(name: &str, limit: u64, window_seconds: u64, burst: Option<u64>) -> Self {
        let limit = limit.clamp(1, MAX_COUNT);
        Self {
            name: name.into(),
            limit,
            window_seconds: window_seconds.clamp(1, MAX_WINDOW_SECONDS),
            burst: burst.unwrap_or(limit).clamp(1, limit),
            when_away: None,
        }
    }

    /// What it is called in answers: [`RPM`], or its own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Requests per window.
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Length of the window, in seconds.
    pub const fn window_seconds(&self) -> u64 {
        self.window_seconds
    }

    /// Requests that may come at once.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// What becomes of requests while the count that nodes share cannot be reached; `None` is as the server is set, and so it
    /// always is for [`RPM`].
    pub const fn when_away(&self) -> Option<WhenAway> {
        self.when_away
    }

    /// Parts that one request puts in: the window in milliseconds.
    const fn parts(&self) -> u64 {
        self.window_seconds * 1_000
    }

    const fn room(&self) -> u64 {
        self.burst * self.parts()
    }

    /// Milliseconds in which so many parts leak out.
    const fn millis_to_leak(&self, parts: u64) -> u64 {
        parts.div_ceil(self.limit)
    }

    /// What is left of it where so much is used.
    pub const fn count(&self, level: Level) -> Count {
        let Level(level) = level;
        Count {
            remaining: self.room().saturating_sub(level) / self.parts(),
            reset_millis: self.millis_to_leak(level),
        }
    }
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Requests that would be admitted now, of a cost of 1 each.
    pub remaining: u64,
    /// Milliseconds until nothing of the limit is used any more, if no request comes.
    pub reset_millis: u64,
}

/// How much of a limit is used, in its own small parts; [`Rate::count`] says what that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(u64);

/// How much is used of each of some [`Rates`], in their order.
pub type Levels = SmallVec<[Level; 2]>;

/// All limits on the requests of one owner: a key's lineage, a customer, an application or a tenant. Shared by copies;
/// one pointer in size.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Rates(Option<Arc<Box<[Rate]>>>);

impl Rates {
    /// No limit.
    pub const NONE: Self = Self(None);

    /// Requests per minute, if they are limited, and the further limits.
    pub fn new(rpm: Option<u64>, further: &[RateLimit]) -> Self {
        if rpm.is_none() && further.is_empty() {
            return Self::NONE;
        }
        let per_minute = rpm.map(|limit| Rate::new(RPM, limit, MINUTE_SECONDS, None));
        let own = |rate: &RateLimit| Rate {
            when_away: rate.when_away,
            ..Rate::new(&rate.name, rate.limit, rate.window_seconds, rate.burst)
        };
        Self(Some(Arc::new(per_minute.into_iter().chain(further.iter().map(own)).collect())))
    }

    /// The limits: requests per minute first, then the others as they were given.
    pub fn as_slice(&self) -> &[Rate] {
        self.0.as_deref().map(AsRef::as_ref).unwrap_or_default()
    }

    /// Whether nothing is limited.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn is_same(&self, other: &Self) -> bool {
        let identical = match (&self.0, &other.0) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            _ => false,
        };
        identical || self == other
    }
}

text_enum!(
    /// Whose limit it is.
    Owner {
        /// The key's, shared by the keys of its lineage.
        Key = "key",
        /// The customer's, shared by all keys that are restricted to it.
        Customer = "customer",
        /// The application's, shared by all keys issued to it.
        Application = "application",
        /// The tenant's, shared by all its keys.
        Tenant = "tenant",
    }
);

/// The limits of a key's owners, which it shares with other keys, and what else its tenant wants of all its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedRates {
    /// Of the customer it is restricted to.
    pub customer: Rates,
    /// Of its application.
    pub application: Rates,
    /// Of its tenant.
    pub tenant: Rates,
    /// Which requests the tenant wants logged.
    pub log_requests: LogRequests,
}

/// The limit that refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit.
    pub owner: Owner,
    /// All limits of that owner.
    pub rates: Rates,
    /// The one that is full for longest.
    pub full: Full,
    /// What is left of it; more than nothing if the request costs more than one.
    pub remaining: u64,
}

impl Exceeded {
    /// The limit; `None` never happens for what this crate makes.
    pub fn rate(&self) -> Option<&Rate> {
        self.rates.as_slice().get(self.full.place)
    }

    /// Whole seconds after which the same request fits, rounded up; `None` if it never will.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.full.wait_millis.map(|millis| millis.div_ceil(1_000))
    }
}

/// A request does not fit one of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full {
    /// Which of the limits, by its place in [`Rates::as_slice`]: of those that are full the one that takes longest.
    pub place: usize,
    /// Milliseconds until the same request fits all of them, if no other comes; `None` if it costs more than
    /// can ever come at once.
    pub wait_millis: Option<u64>,
}

/// How much is used of one limit, to be kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsedLimit {
    /// What the limit is called.
    pub name: Box<str>,
    /// Requests per window.
    pub limit: u64,
    /// Length of the window.
    pub window_seconds: u64,
    /// Requests that may come at once.
    pub burst: u64,
    /// What is used, in parts of a request: as many as the window has milliseconds.
    pub level: u64,
}

/// How much of each of an owner's limits is used. Begins with nothing used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Used {
    rates: Rates,
    levels: SmallVec<[u64; 2]>,
    as_of: u64,
}

impl Used {
    /// Brings what is used up to `now`, under `rates`. When these differ from those of the last time, each limit
    /// that keeps its name keeps the number of requests used of it, and one that is new begins unused.
    ///
    /// `now` is in milliseconds of a clock that does not go back; if it does, time stands still meanwhile.
    pub fn advance(&mut self, rates: &Rates, now: u64) {
        self.pass(now);
        if !self.rates.is_same(rates) {
            self.adopt(rates);
        }
    }

    /// Brings what is used up to `now`, under the limits of the last time.
    pub fn pass(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.as_of);
        self.as_of = self.as_of.max(now);
        for (level, rate) in self.levels.iter_mut().zip(self.rates.as_slice()) {
            *level = level.saturating_sub(elapsed.saturating_mul(rate.limit));
        }
    }

    #[cold]
    fn adopt(&mut self, rates: &Rates) {
        let (before, levels) = (self.rates.as_slice(), &self.levels);
        let carried = |rate: &Rate| {
            let same_name = before.iter().zip(levels).find(|(old, _)| old.name == rate.name);
            same_name.map_or(0, |(old, level)| carry(*level, old, rate))
        };
        let levels = rates.as_slice().iter().map(carried).collect();
        self.levels = levels;
        self.rates = rates.clone();
    }

    /// The limits under which it was last brought up to date.
    pub const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Whether a request of `cost` fits all limits, as of the last [`Self::advance`].
    ///
    /// # Errors
    /// Says which limit is full and for how long.
    pub fn check(&self, cost: u32) -> Result<(), Full> {
        let mut full: Option<Full> = None;
        for (place, (level, rate)) in self.levels.iter().zip(self.rates.as_slice()).enumerate() {
            let wait_millis = match wait(*level, rate, cost) {
                Some(0) => continue,
                wait => wait,
            };
            let longer = full.is_none_or(|known| match (known.wait_millis, wait_millis) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(known), Some(own)) => own > known,
            });
            if longer {
                full = Some(Full { place, wait_millis });
            }
        }
        full.map_or(Ok(()), Err)
    }

    /// Counts a request of `cost` that was found to fit.
    pub fn add(&mut self, cost: u32) {
        for (level, rate) in self.levels.iter_mut().zip(self.rates.as_slice()) {
            *level = level.saturating_add(parts_of(rate, cost));
        }
    }

    /// How much is used, as of the last [`Self::advance`].
    pub fn levels(&self) -> Levels {
        self.levels.iter().copied().map(Level).collect()
    }

    /// What is left of the limit at `place`, as of the last [`Self::advance`].
    pub fn count(&self, place: usize) -> Option<Count> {
        Some(self.rates.as_slice().get(place)?.count(Level(*self.levels.get(place)?)))
    }

    /// Each limit with how much of it is used, as of the last [`Self::advance`].
    pub fn to_record(&self) -> Vec<UsedLimit> {
        let record = |(level, rate): (&u64, &Rate)| UsedLimit {
            name: rate.name.clone(),
            limit: rate.limit,
            window_seconds: rate.window_seconds,
            burst: rate.burst,
            level: *level,
        };
        self.levels.iter().zip(self.rates.as_slice()).map(record).collect()
    }

    /// What was recorded `elapsed` milliseconds ago, as of `now`. Levels that no limit could have reached are cut.
    pub fn from_record(record: &[UsedLimit], elapsed: u64, now: u64) -> Self {
        let rate =
            |used: &UsedLimit| Rate::new(&used.name, used.limit, used.window_seconds, Some(used.burst));
        let rates: Box<[Rate]> = record.iter().map(rate).collect();
        let level = |(used, rate): (&UsedLimit, &Rate)| {
            let most = MAX_COUNT * rate.parts();
            used.level.min(most).saturating_sub(elapsed.saturating_mul(rate.limit))
        };
        let levels = record.iter().zip(&rates).map(level).collect();
        let rates = if rates.is_empty() { Rates::NONE } else { Rates(Some(Arc::new(rates))) };
        Self { rates, levels, as_of: now }
    }

    /// Milliseconds until nothing is used any more, as of the last [`Self::advance`], if no request comes.
    pub fn reset_millis(&self) -> u64 {
        let used = self.levels.iter().zip(self.rates.as_slice());
        used.map(|(level, rate)| rate.millis_to_leak(*level)).max().unwrap_or(0)
    }

    /// Whether nothing is used at `now`, so that forgetting it changes no answer.
    pub fn is_unused(&self, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.as_of);
        let mut used = self.levels.iter().zip(self.rates.as_slice());
        used.all(|(level, rate)| *level <= elapsed.saturating_mul(rate.limit))
    }
}

/// Parts of a request of `cost`, which is held to what a limit can name.
fn parts_of(rate: &Rate, cost: u32) -> u64 {
    u64::from(cost).min(MAX_COUNT) * rate.parts()
}

/// Milliseconds until a request fits; 0 if it does now, `None` if it never will. What costs nothing fits also where more is used than
/// there is room for, as it can be after the limit was lowered.
fn wait(level: u64, rate: &Rate, cost: u32) -> Option<u64> {
    if cost == 0 {
        return Some(0);
    }
    if u64::from(cost) > rate.burst {
        return None;
    }
    let beyond = (level + parts_of(rate, cost)).saturating_sub(rate.room());
    Some(rate.millis_to_leak(beyond))
}

/// The same number of used requests in parts of another limit, rounded up, and no more than any limit can hold.
fn carry(level: u64, old: &Rate, new: &Rate) -> u64 {
    if old.window_seconds == new.window_seconds {
        return level;
    }
    let parts = (u128::from(level) * u128::from(new.parts())).div_ceil(u128::from(old.parts()));
    let most = u128::from(MAX_COUNT) * u128::from(new.parts());
    u64::try_from(parts.min(most)).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(rpm: Option<u64>, further: &[(&str, u64, u64, Option<u64>)]) -> Rates {
        let limit = |&(name, limit, window_seconds, burst): &(&str, u64, u64, Option<u64>)| RateLimit {
            name: name.into(),
            limit,
            window_seconds,
            burst,
            when_away: None,
        };
        Rates::new(rpm, &further.iter().map(limit).collect::<Vec<_>>())
    }

    /// How many requests of cost 1 are admitted at `now`, taking them.
    fn drain(used: &mut Used, rates: &Rates, now: u64) -> u64 {
        used.advance(rates, now);
        let mut admitted = 0;
        while used.check(1).is_ok() {
            used.add(1);
            admitted += 1;
        }
        admitted
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_what_the_window_gives() {
        let (rates, mut used) = (rates(Some(7), &[]), Used::default());
        assert_eq!(drain(&mut used, &rates, 5), 7);
        // 60 s / 7 = 8 571.43 ms for each.
        assert_eq!(used.check(1), Err(Full { place: 0, wait_millis: Some(8_572) }));
        assert_eq!(drain(&mut used, &rates, 5 + 8_571), 0);
        assert_eq!(drain(&mut used, &rates, 5 + 8_572), 1);
        assert_eq!(drain(&mut used, &rates, 5 + 60_000), 6, "in the end not a millisecond was lost");
        assert!(!used.is_unused(5 + 60_000));
        assert!(used.is_unused(5 + 120_000));
    }

    #[test]
    fn the_limit_that_is_full_for_longest_is_named() {
        let (rates, mut used) = (rates(Some(1), &[("hourly", 2, 3_600, None)]), Used::default());
        assert_eq!(drain(&mut used, &rates, 0), 1);
        assert_eq!(used.check(1), Err(Full { place: 0, wait_millis: Some(60_000) }));
        assert_eq!(drain(&mut used, &rates, 60_000), 1);
        assert_eq!(used.check(1), Err(Full { place: 1, wait_millis: Some(1_740_000) }));
        assert_eq!(used.check(2), Err(Full { place: 0, wait_millis: None }), "two never come at once");
        assert_eq!(used.check(0), Ok(()), "what costs nothing always fits");
    }

    #[test]
    fn a_changed_limit_keeps_what_was_used_of_it() {
        let mut used = Used::default();
        used.advance(&rates(Some(10), &[("hourly", 10, 3_600, None)]), 0);
        used.add(4);
        let next = rates(Some(20), &[("daily", 5, 86_400, None), ("hourly", 30, 1_800, None)]);
        used.advance(&next, 0);
        let remaining: Vec<u64> = (0..3).map(|place| used.count(place).unwrap().remaining).collect();
        assert_eq!(remaining, [16, 5, 26]);
        used.advance(&rates(Some(3), &[]), 0);
        assert_eq!(used.count(0).unwrap().remaining, 0);
        assert_eq!(used.check(1), Err(Full { place: 0, wait_millis: Some(40_000) }), "4 used, 3 allowed");
        assert_eq!(used.check(0), Ok(()), "what costs nothing fits even so");
    }

    #[test]
    fn what_was_kept_leaks_on_as_if_nothing_had_happened() {
        let (rates, mut used) = (rates(Some(60), &[("daily", 1_000, 86_400, Some(9))]), Used::default());
        used.advance(&rates, 500);
        used.add(9);
        let mut kept = Used::from_record(&used.to_record(), 3_000, 7);
        used.pass(3_500);
        assert_eq!((kept.levels(), kept.reset_millis()), (used.levels(), used.reset_millis()));
        assert_eq!(used.reset_millis(), 9 * 86_400 - 3_000);
        kept.advance(&rates, 8);
        assert_eq!(kept.count(1).unwrap().remaining, 0);
        let nonsense = UsedLimit { name: "x".into(), limit: 0, window_seconds: 0, burst: 0, level: u64::MAX };
        let mut cut = Used::from_record(&[nonsense], 0, 0);
        cut.advance(&rates, 1);
        assert_eq!(cut.count(0).unwrap().remaining, 60);
    }

    #[test]
    fn the_largest_limits_neither_overflow_nor_lose_a_request() {
        let (most, longest) = (MAX_COUNT, MAX_WINDOW_SECONDS);
        let (rates, mut used) = (rates(None, &[("all", most, longest, None)]), Used::default());
        used.advance(&rates, 0);
        used.add(u32::try_from(MAX_COUNT).unwrap());
        let every = longest * 1_000 / most + 1;
        assert_eq!(used.check(1), Err(Full { place: 0, wait_millis: Some(every) }));
        used.advance(&rates, u64::MAX);
        assert_eq!(used.count(0).unwrap(), Count { remaining: most, reset_millis: 0 });
    }
}
