//! Limits that nodes share, through an authority that all can ask.
//!
//! A node reserves some requests of an owner's limits ahead and serves from these in memory ([`holding`]). Only who finds too little waits,
//! for one answer that serves all who wait ([`desk`]). The authority counts what is reserved as if it were used until it is told otherwise:
//! so at any moment the level of a limit, and all that can still be used of what is reserved, fit the limit together, and in any span of
//! time no more is admitted on all nodes than its burst and what it gives for that span.

mod back;
mod desk;
mod holding;
mod joint;
mod measures;
mod pace;
mod port;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keystile_core::rate::{Exceeded, Full};
use keystile_core::{Clock, WhenAway};
use parking_lot::MutexGuard;
use smallvec::SmallVec;

use crate::limiter::{Demand, Denied, Left, Limiter, OwnerLeft};
use crate::source::BoxFuture;
use crate::verifier::Verifier;

pub(crate) use desk::Desk;
pub use desk::Stating;
pub(crate) use joint::{Fit, Inner, Joint, Now};
pub use measures::RateStats;
pub use port::{Answer, Grant, OwnerName, RESERVED_MILLIS, RateAuthority, Statement, Want};

/// The limiter of a node that shares limits with others.
pub struct SharedLimits {
    desk: Arc<Desk>,
}

type Held<'a> = SmallVec<[MutexGuard<'a, Inner>; 4]>;
type Fits = SmallVec<[Fit; 4]>;

impl SharedLimits {
    /// Limits that `authority` answers for. While it cannot be asked, those that do not say otherwise are applied as `usual`. Until
    /// [`Self::start`] it cannot.
    pub fn new(authority: Arc<dyn RateAuthority>, clock: Arc<dyn Clock>, usual: WhenAway) -> Arc<Self> {
        Arc::new(Self { desk: Desk::new(authority, clock, usual) })
    }

    /// Shares what `verifier` counts, of which this is the limiter. `nodes` tells how many there are, this one included: each has such a part of
    /// limits while the authority is away. Needs a Tokio runtime with time enabled.
    pub fn start(&self, verifier: &Verifier, nodes: impl Fn() -> usize + Send + 'static) -> Stating {
        // Only the first limiter is the verifier's.
        let _is_first = verifier.quota.shared.set(Arc::clone(&self.desk));
        self.desk.start(Arc::clone(verifier.fills.meters()), nodes)
    }

    /// Waits until limits are shared; it may take for ever.
    pub async fn is_settled(&self) {
        self.desk.is_settled().await;
    }

    /// A reading of all counters.
    pub fn stats(&self) -> RateStats {
        self.desk.stats()
    }

    fn hold<'a>(demands: &[Demand<'a>], now: Now) -> Held<'a> {
        let hold = |demand: &Demand<'a>| {
            let known = demand.rates.is_none().then(|| demand.meter.lock().rates().clone());
            let mut inner = demand.meter.joint().lock();
            if let Some(rates) = known.as_ref().or(demand.rates) {
                inner.advance(rates, now);
            }
            inner
        };
        demands.iter().map(hold).collect()
    }

    /// How the request fares with each of them.
    fn fits(&self, held: &mut Held<'_>, cost: u64, now: Now) -> Fits {
        let away = self.desk.away();
        let check = |inner: &mut MutexGuard<'_, Inner>| {
            let away = away.or_else(|| self.desk.away_for(inner, now));
            inner.check(cost, away, now)
        };
        held.iter_mut().map(check).collect()
    }

    /// What is asked for next time, and what has to be told.
    fn note(&self, demands: &[Demand<'_>], held: Held<'_>, fits: &Fits, now: Now) {
        let lows: SmallVec<[bool; 4]> = held.iter().map(|inner| inner.holding.is_low(now.unslept)).collect();
        drop(held);
        for ((demand, fit), low) in demands.iter().zip(fits).zip(lows) {
            demand.meter.note_use();
            match fit {
                Fit::Reserved if low => self.desk.queue(demand.meter.joint()),
                Fit::OwnPart => {
                    self.desk.measures.own_part.fetch_add(1, Ordering::Relaxed);
                    self.desk.activate(demand.meter.joint());
                }
                Fit::Reserved | Fit::Free | Fit::Short | Fit::Unavailable | Fit::Full(_) => {}
            }
        }
    }
}

impl Limiter for SharedLimits {
    fn take(&self, demands: &[Demand<'_>], cost: u32) -> Result<Left, Denied> {
        let (now, cost) = (self.desk.now(), u64::from(cost));
        let mut held = Self::hold(demands, now);
        let fits = self.fits(&mut held, cost, now);
        refused(demands, &held, &fits, cost)?;
        let away = self.desk.as_if_away();
        for (inner, fit) in held.iter_mut().zip(&fits) {
            inner.take(cost, *fit, away, now);
        }
        let left = left(demands, &held);
        if cost > 0 {
            self.note(demands, held, &fits, now);
        }
        Ok(left)
    }

    fn look(&self, demands: &[Demand<'_>], cost: u32) -> (Left, Result<(), Exceeded>) {
        let (now, cost) = (self.desk.now(), u64::from(cost));
        let mut held = Self::hold(demands, now);
        let away = self.desk.away();
        let look = |inner: &mut MutexGuard<'_, Inner>| {
            let away = away.or_else(|| self.desk.away_for(inner, now));
            inner.look(cost, away, now)
        };
        let fits: Fits = held.iter_mut().map(look).collect();
        let full = longest(&fits)
            .map_or(Ok(()), |(place, full)| Err(exceeded(&demands[place], &held[place], full, cost)));
        (left(demands, &held), full)
    }

    fn refill(&self, demands: &[Demand<'_>], cost: u32) -> BoxFuture<'static, ()> {
        let (now, cost) = (self.desk.now(), u64::from(cost));
        let mut held = Self::hold(demands, now);
        let fits = self.fits(&mut held, cost, now);
        drop(held);
        self.desk.measures.waited.fetch_add(1, Ordering::Relaxed);
        let short = demands.iter().zip(&fits).filter(|(_, fit)| **fit == Fit::Short);
        let waits: SmallVec<[_; 4]> =
            short.map(|(demand, _)| self.desk.refill(demand.meter.joint(), cost, cost)).collect();
        Box::pin(async move {
            for wait in waits {
                wait.await;
            }
        })
    }
}

/// Why a request is not counted, if it is not.
fn refused(demands: &[Demand<'_>], held: &Held<'_>, fits: &Fits, cost: u64) -> Result<(), Denied> {
    if let Some((place, full)) = longest(fits) {
        return Err(Denied::Full(exceeded(&demands[place], &held[place], full, cost)));
    }
    if fits.contains(&Fit::Unavailable) {
        return Err(Denied::Unavailable);
    }
    if fits.contains(&Fit::Short) { Err(Denied::Short) } else { Ok(()) }
}

/// Of those that are full the one that is so for the longest time.
fn longest(fits: &Fits) -> Option<(usize, Full)> {
    let full = fits.iter().enumerate().filter_map(|(place, fit)| match fit {
        Fit::Full(full) => Some((place, *full)),
        Fit::Reserved | Fit::OwnPart | Fit::Free | Fit::Short | Fit::Unavailable => None,
    });
    full.max_by_key(|(_, full)| full.wait_millis.unwrap_or(u64::MAX))
}

fn exceeded(demand: &Demand<'_>, inner: &Inner, full: Full, cost: u64) -> Exceeded {
    let remaining = inner.remaining(full.place, cost);
    Exceeded { owner: demand.meter.owner().kind(), rates: inner.rates().clone(), full, remaining }
}

fn left(demands: &[Demand<'_>], held: &Held<'_>) -> Left {
    Left::of(demands.iter().zip(held).map(|(demand, inner)| OwnerLeft {
        owner: demand.meter.owner().kind(),
        rates: if demand.rates.is_some() { None } else { Some(inner.rates().clone()) },
        levels: inner.levels(),
    }))
}
