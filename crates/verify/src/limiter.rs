//! Counting a request against all limits that bear on it, in one step or not at all.

use std::sync::Arc;

use keystile_core::rate::{Count, Exceeded, Full, Level, Levels, Used};
use keystile_core::{Clock, Owner, Rate, Rates};
use parking_lot::MutexGuard;
use smallvec::{SmallVec, smallvec};

use crate::meter::Meter;
use crate::source::BoxFuture;

/// Who answers for limits: the process itself on one node, something shared by many nodes otherwise.
pub trait Limiter: Send + Sync + 'static {
    /// Counts a request of `cost` on every meter, or on none if one of its limits is full. However many do this at a
    /// time, it is as if they came one after the other. `demands` are ordered by [`Owner`], each at most once, so
    /// that two requests never wait for each other.
    ///
    /// # Errors
    /// Why it is counted on none.
    fn take(&self, demands: &[Demand<'_>], cost: u32) -> Result<Left, Denied>;

    /// Waits, for a moment at the most, until what was [`Denied::Short`] has perhaps arrived.
    fn refill(&self, _demands: &[Demand<'_>], _cost: u32) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether a request of `cost` would fit now, and what is left, without counting anything.
    fn look(&self, demands: &[Demand<'_>], cost: u32) -> (Left, Result<(), Exceeded>);
}

/// Why a request is not counted.
#[derive(Debug)]
pub enum Denied {
    /// A limit is full; if several are, this one for the longest time.
    Full(Exceeded),
    /// Too little of a limit is at hand here: [`Limiter::refill`] may bring more.
    Short,
    /// Whoever answers for a limit cannot be asked, and it wants requests refused then.
    Unavailable,
}

/// One owner whose limits bear on a request.
pub struct Demand<'a> {
    /// What the owner has used.
    pub meter: &'a Meter,
    /// The limits, if they come with the key; else the meter knows them.
    pub rates: Option<&'a Rates>,
}

/// What is left of all limits that bore on a request.
#[derive(Debug, Clone, Default)]
pub struct Left(SmallVec<[OwnerLeft; 1]>);

/// What is left to one owner.
#[derive(Debug, Clone)]
pub(crate) struct OwnerLeft {
    pub(crate) owner: Owner,
    /// `None` for those that came with the key.
    pub(crate) rates: Option<Rates>,
    pub(crate) levels: Levels,
}

/// What is left of one limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitLeft<'a> {
    /// Whose limit it is.
    pub owner: Owner,
    /// The limit.
    pub rate: &'a Rate,
    /// What is left of it.
    pub count: Count,
}

impl Left {
    pub(crate) const NONE: Self = Self(SmallVec::new_const());

    pub(crate) fn of(owners: impl Iterator<Item = OwnerLeft>) -> Self {
        Self(owners.collect())
    }

    /// Each limit, those of the key first; `own` are the limits that came with the key.
    pub fn iter<'a>(&'a self, own: &'a Rates) -> impl Iterator<Item = LimitLeft<'a>> {
        self.0.iter().flat_map(move |left| {
            let rates = left.rates.as_ref().unwrap_or(own).as_slice();
            let left_of = |(rate, level): (&'a Rate, &Level)| LimitLeft {
                owner: left.owner,
                rate,
                count: rate.count(*level),
            };
            rates.iter().zip(&left.levels).map(left_of)
        })
    }

    /// Whether no limit bore on the request.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Limits whose authority is this process.
pub struct OneNode {
    clock: Arc<dyn Clock>,
}

impl OneNode {
    /// Limits by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock })
    }
}

/// What the limits of a few owners allow, while nobody else may count.
type Held<'a> = SmallVec<[MutexGuard<'a, Used>; 4]>;

impl OneNode {
    /// What most keys with limits need, without the lists of what is held.
    fn take_one(&self, demand: &Demand<'_>, cost: u32) -> Result<Left, Denied> {
        let mut used = demand.meter.lock();
        Self::advance(demand, &mut used, self.clock.elapsed_millis());
        used.check(cost).map_err(|full| Denied::Full(exceeded(demand, &used, full)))?;
        used.add(cost);
        note_use(demand, cost);
        Ok(Left(smallvec![owner_left(demand, &used)]))
    }

    /// Locks all meters in their order, then brings them up to one moment.
    fn hold<'a>(&self, demands: &[Demand<'a>]) -> Held<'a> {
        let mut held: Held<'a> = demands.iter().map(|demand| demand.meter.lock()).collect();
        let now = self.clock.elapsed_millis();
        for (used, demand) in held.iter_mut().zip(demands) {
            Self::advance(demand, used, now);
        }
        held
    }

    fn advance(demand: &Demand<'_>, used: &mut Used, now: u64) {
        match demand.rates {
            Some(rates) => used.advance(rates, now),
            None => used.pass(now),
        }
    }
}

impl Limiter for OneNode {
    fn take(&self, demands: &[Demand<'_>], cost: u32) -> Result<Left, Denied> {
        if let [demand] = demands {
            return self.take_one(demand, cost);
        }
        let mut held = self.hold(demands);
        check(demands, &held, cost).map_err(Denied::Full)?;
        held.iter_mut().for_each(|used| used.add(cost));
        demands.iter().for_each(|demand| note_use(demand, cost));
        Ok(left(demands, &held))
    }

    fn look(&self, demands: &[Demand<'_>], cost: u32) -> (Left, Result<(), Exceeded>) {
        let held = self.hold(demands);
        (left(demands, &held), check(demands, &held, cost))
    }
}

/// What costs nothing leaves nothing more to keep.
fn note_use(demand: &Demand<'_>, cost: u32) {
    if cost > 0 {
        demand.meter.note_use();
    }
}

/// Whether a request of `cost` fits all of them.
fn check(demands: &[Demand<'_>], held: &Held<'_>, cost: u32) -> Result<(), Exceeded> {
    let full = longest(held.iter().map(|used| used.check(cost)));
    full.map_or(Ok(()), |(place, full)| Err(exceeded(&demands[place], &held[place], full)))
}

/// Of those that are full the one that is so for the longest time.
fn longest(checks: impl Iterator<Item = Result<(), Full>>) -> Option<(usize, Full)> {
    let full = checks.enumerate().filter_map(|(place, check)| Some((place, check.err()?)));
    full.max_by_key(|(_, full)| full.wait_millis.unwrap_or(u64::MAX))
}

fn exceeded(demand: &Demand<'_>, used: &Used, full: Full) -> Exceeded {
    let remaining = used.count(full.place).map_or(0, |count| count.remaining);
    Exceeded { owner: demand.meter.owner().kind(), rates: used.rates().clone(), full, remaining }
}

fn left(demands: &[Demand<'_>], held: &Held<'_>) -> Left {
    Left(demands.iter().zip(held).map(|(demand, used)| owner_left(demand, used)).collect())
}

fn owner_left(demand: &Demand<'_>, used: &Used) -> OwnerLeft {
    OwnerLeft {
        owner: demand.meter.owner().kind(),
        rates: if demand.rates.is_some() { None } else { Some(used.rates().clone()) },
        levels: used.levels(),
    }
}
