//! The limits of one owner as this node knows them, and what it has reserved of them: one lock around both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keystile_core::rate::{Floors, Full, Levels, Used};
use keystile_core::{Rates, WhenAway};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::holding::Holding;
use super::port::{Grant, OwnerName, Statement};

/// See the module.
pub(crate) struct Joint {
    name: OwnerName,
    inner: Mutex<Inner>,
    /// Told whenever a statement was answered, or will not be.
    pub(super) heard: Notify,
    pub(super) is_queued: AtomicBool,
    pub(super) is_active: AtomicBool,
}

pub(crate) struct Inner {
    /// What is used over all nodes, as far as it is known here.
    used: Used,
    /// What the authority knew to be used when it last answered, and knew all that nodes know.
    known: Used,
    pub(crate) holding: Holding,
    /// How often statements were answered, or given up.
    pub(super) turns: u64,
}

/// What was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard<'a> {
    pub(super) grant: &'a Grant,
    /// For so long the authority may not know all that nodes know, as it has forgotten something.
    pub(super) unsettled_millis: u64,
}

/// When something happens, by both clocks that nobody sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For what leaks.
    pub(crate) elapsed: u64,
    /// For what lasts until a moment, and counts as well while the machine is suspended.
    pub(crate) unslept: u64,
}

/// What this node may do while a count that it shares cannot be reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away {
    /// Where a limit does not say.
    pub(crate) usual: WhenAway,
    /// How many nodes there are.
    pub(crate) nodes: u64,
    /// How often the authority was away until now.
    pub(crate) absence: u64,
}

/// How a request fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// It can be taken from what is reserved.
    Reserved,
    /// It can be taken from this node's part, as the authority is away.
    OwnPart,
    /// It costs nothing.
    Free,
    /// More has to be reserved.
    Short,
    /// The authority is away, and a limit wants requests refused then.
    Unavailable,
    /// It does not fit.
    Full(Full),
}

impl Joint {
    /// Goes on from what is known to be used.
    pub(crate) fn new(name: &str, used: Used) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            inner: Mutex::new(Inner { known: used.clone(), used, holding: Holding::default(), turns: 0 }),
            heard: Notify::new(),
            is_queued: AtomicBool::new(false),
            is_active: AtomicBool::new(false),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Whether forgetting it changes nothing.
    pub(crate) fn is_spent(&self, elapsed: u64) -> bool {
        let inner = self.lock();
        inner.holding.is_spent()
            && inner.used.is_unused(elapsed)
            && !self.is_queued.load(Ordering::Acquire)
            && !self.is_active.load(Ordering::Acquire)
    }

    /// What is to be stated, under the limits that are known. The authority was away `absence` times.
    pub(super) fn state(&self, number: u64, asks: bool, absence: u64, now: Now) -> Statement {
        let mut inner = self.lock();
        inner.used.pass(now.elapsed);
        let was_alone = inner.holding.was_alone();
        let floors = inner.floors(was_alone, now);
        inner.leak_back(now);
        let most = inner.used.most_at_once();
        let stated = inner.holding.state(number, most, asks, absence, now.unslept);
        Statement {
            owner: Arc::clone(&self.name),
            rates: inner.used.rates().clone(),
            number,
            since: stated.since,
            answered: stated.answered,
            total: stated.total,
            back: stated.back,
            total_known: stated.total_known,
            kept: stated.kept,
            returned: stated.returned,
            want: stated.want,
            was_alone,
            floors,
        }
    }

    /// A statement was answered; `None` if nothing came of it. One that `asks` for nothing learns nothing of others either: when the authority
    /// is back they may not have told yet what they used of their parts.
    pub(super) fn hear(&self, statement: &Statement, answer: Option<Heard<'_>>, asks: bool, now: Now) {
        {
            let mut inner = self.lock();
            let Inner { used, known, holding, turns } = &mut *inner;
            let (number, want) = (statement.number, statement.want);
            match answer {
                Some(Heard { grant, unsettled_millis }) => {
                    used.pass(now.elapsed);
                    let is_last = holding.hear((number, want), used.refill_millis(), grant, now.unslept);
                    if is_last {
                        holding.note_told(unsettled_millis, now.unslept);
                    }
                    if is_last && unsettled_millis == 0 {
                        known.advance(&statement.rates, now.elapsed);
                        known.learn(&grant.levels, 0);
                    }
                    if *used.rates() != statement.rates {
                        // It says nothing of limits that were changed meanwhile.
                        holding.reopen();
                    } else if is_last && asks {
                        holding.learn_others(grant.others);
                        used.learn(&grant.levels, holding.unreported());
                    }
                }
                None => holding.hear_nothing(number),
            }
            // Who waits is not answered by what did not ask for it.
            *turns += u64::from(asks || answer.is_none());
        }
        self.heard.notify_waiters();
    }
}

impl Inner {
    /// What the authority is told that it must at least have known, if it has forgotten.
    fn floors(&self, was_alone: bool, now: Now) -> Floors {
        let known = if was_alone { &self.used } else { &self.known };
        known.floors(self.used.rates(), now.elapsed)
    }

    /// What is given back late has leaked out meanwhile.
    fn leak_back(&mut self, now: Now) {
        let leaked = |late| self.used.leaked(late);
        let back = self.holding.back_mut();
        if let Some(late) = back.late(now.unslept) {
            back.lessen(leaked(late), now.unslept);
        }
    }

    /// Brings what is known up to now, under these limits.
    pub(crate) fn advance(&mut self, rates: &Rates, now: Now) {
        if self.used.rates() != rates {
            self.holding.reopen();
        }
        self.used.advance(rates, now.elapsed);
    }

    /// Whether a request of `cost` fits, as of the last [`Self::advance`]. `away` while the authority cannot be asked.
    pub(crate) fn check(&mut self, cost: u64, away: Option<Away>, now: Now) -> Fit {
        if cost == 0 {
            return Fit::Free;
        }
        if cost > self.used.most_at_once() {
            return Fit::Full(self.used.never(cost));
        }
        if self.holding.usable(now.unslept) >= cost {
            return Fit::Reserved;
        }
        match away {
            Some(away) => self.check_away(cost, away),
            None => self.holding.shut(cost, now.unslept).map_or(Fit::Short, |_| self.full(cost, now)),
        }
    }

    /// The same, as far as it is known without asking.
    pub(crate) fn look(&mut self, cost: u64, away: Option<Away>, now: Now) -> Fit {
        match self.check(cost, away, now) {
            Fit::Short => {
                let known = self.used.check_cells(cost.saturating_add(self.holding.others()));
                known.map_or_else(Fit::Full, |()| Fit::Reserved)
            }
            known => known,
        }
    }

    /// Whether nothing is used or reserved, as far as it is known.
    pub(crate) fn is_clear(&self) -> bool {
        self.used.reset_millis() == 0 && self.holding.others() == 0
    }

    /// How much of the first limit is left to all nodes together, as far as it is known.
    pub(crate) fn left(&self) -> u64 {
        self.used.count(0).map_or(0, |count| count.remaining).saturating_sub(self.holding.others())
    }

    /// Milliseconds until so much of the first limit is free, as far as it is known.
    pub(crate) fn wait(&self, cells: u64, now: Now) -> Option<u64> {
        let known = self.used.check_cells(cells).err().map_or(Some(1), |full| full.wait_millis);
        match self.full(cells, now) {
            Fit::Full(full) => full.wait_millis,
            Fit::Reserved | Fit::OwnPart | Fit::Free | Fit::Short | Fit::Unavailable => known,
        }
    }

    /// How much of the first limit leaks out in so many milliseconds, rounded up.
    pub(crate) fn leaked(&self, millis: u64) -> u64 {
        self.used.leaked(millis)
    }

    /// The limits under which it was last brought up to date.
    pub(crate) const fn rates(&self) -> &Rates {
        self.used.rates()
    }

    /// How a request is refused for which too little is free.
    pub(crate) fn full(&self, cost: u64, now: Now) -> Fit {
        let Some(shut) = self.holding.refused(cost) else { return Fit::Short };
        let more = self.used.millis_for(shut.place, cost - shut.least);
        let wait = shut.free_at.saturating_sub(now.unslept).max(1).saturating_add(more);
        Fit::Full(Full { place: shut.place, wait_millis: Some(wait) })
    }

    /// Each request takes as much from the whole as one on every node would.
    fn check_away(&mut self, cost: u64, away: Away) -> Fit {
        // What others have reserved is used, as far as anybody can tell here.
        let others = self.holding.forget_others();
        self.used.put(signed(others));
        let wants = |rate: &keystile_core::Rate| rate.when_away().unwrap_or(away.usual);
        match self.used.rates().as_slice().iter().map(wants).min() {
            Some(WhenAway::Refuse) => Fit::Unavailable,
            Some(WhenAway::LocalShare) | None => {
                let fits = self.used.check_cells(cost.saturating_mul(away.nodes));
                fits.map_or_else(Fit::Full, |()| Fit::OwnPart)
            }
        }
    }

    /// Counts a request that was found to fit, with the authority away like this if it is.
    pub(crate) fn take(&mut self, cost: u64, fit: Fit, away: Away, now: Now) {
        match fit {
            Fit::Reserved => {
                if self.holding.take(cost, now.unslept) {
                    self.used.put(signed(cost));
                }
            }
            Fit::OwnPart => {
                let of_all = cost.saturating_mul(away.nodes);
                self.holding.note_alone(cost, away.absence, now.unslept);
                self.used.put(signed(of_all));
            }
            Fit::Free | Fit::Short | Fit::Unavailable | Fit::Full(_) => {}
        }
    }

    /// Counts what was used beyond what had been counted, whether or not there is room.
    pub(crate) fn overrun(&mut self, cost: u64, now: Now) {
        self.holding.note(cost, now.unslept);
        self.used.put(signed(cost));
    }

    /// What was used under a statement after this one was not, after all; of it so much has not leaked out yet.
    pub(crate) fn put_back(&mut self, unused: u64, unleaked: u64, after: u64, now: Now) {
        self.holding.put_back(unused, unleaked, after, now.unslept);
        self.used.put(-signed(unleaked.min(unused)));
    }

    /// How much of each limit is used, as far as it is known.
    pub(crate) fn levels(&self) -> Levels {
        self.used.levels()
    }

    /// How many requests of a limit are left to all nodes together, at the most, where one of `cost` was refused.
    pub(crate) fn remaining(&self, place: usize, cost: u64) -> u64 {
        let known = self.used.count(place).map_or(0, |count| count.remaining);
        known.saturating_sub(self.holding.others()).min(cost.saturating_sub(1))
    }

    /// What is used over all nodes, as far as it is known here.
    pub(crate) const fn used_mut(&mut self) -> &mut Used {
        &mut self.used
    }
}

fn signed(cells: u64) -> i64 {
    i64::try_from(cells).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use keystile_core::RateLimit;

    use super::*;

    const AWAY: Away = Away { usual: WhenAway::LocalShare, nodes: 3, absence: 1 };
    const NOW: Now = Now { elapsed: 1_000, unslept: 1_000 };

    fn a_day(limit: u64) -> Rates {
        let window_seconds = 24 * 60 * 60;
        let rate = RateLimit { name: "a".into(), limit, window_seconds, burst: None, when_away: None };
        Rates::new(None, &[rate])
    }

    fn heard(grant: &Grant) -> Option<Heard<'_>> {
        Some(Heard { grant, unsettled_millis: 0 })
    }

    fn fit(joint: &Joint, limit: u64) -> Fit {
        let mut inner = joint.lock();
        inner.advance(&a_day(limit), NOW);
        inner.check(1, None, NOW)
    }

    #[test]
    fn what_others_use_while_the_authority_is_away_is_guessed_until_they_had_the_time_to_tell_it() {
        let joint = Joint::new("requests:one", Used::default());
        let fits_away = || {
            let mut inner = joint.lock();
            inner.advance(&a_day(9), NOW);
            let fit = inner.check(1, Some(AWAY), NOW);
            inner.take(1, fit, AWAY, NOW);
            fit == Fit::OwnPart
        };
        assert!((0..3).all(|_| fits_away()) && !fits_away());
        // Of nine the authority has heard of three only.
        let three = 3 * a_day(9).as_slice()[0].units().cell;
        let told = Grant { keeps: true, levels: [three].into_iter().collect(), ..Grant::default() };
        joint.hear(&joint.state(1, false, 0, NOW), heard(&told), false, NOW);
        assert!(!fits_away(), "the others have not told their parts");
        joint.hear(&joint.state(2, true, 0, NOW), heard(&told), true, NOW);
        assert!(fits_away());
    }

    #[test]
    fn a_limit_that_was_raised_is_asked_for_at_once() {
        let joint = Joint::new("requests:one", Used::default());
        let full = Grant { keeps: true, wait_millis: 80_000_000, ..Grant::default() };
        assert_eq!(fit(&joint, 1), Fit::Short);
        joint.lock().holding.wait_for(1, 1);
        joint.hear(&joint.state(1, true, 0, NOW), heard(&full), true, NOW);
        assert!(matches!(fit(&joint, 1), Fit::Full(_)));
        assert_eq!(fit(&joint, 2), Fit::Short);
        joint.lock().holding.wait_for(1, 1);
        let statement = joint.state(2, true, 0, NOW);
        assert_eq!(fit(&joint, 3), Fit::Short);
        joint.hear(&statement, heard(&full), true, NOW);
        assert_eq!(fit(&joint, 3), Fit::Short, "the answer was about two a day");
    }

    #[test]
    fn an_authority_that_forgets_twice_is_told_all_that_was_known_before_and_all_that_was_used_since() {
        let joint = Joint::new("requests:one", Used::default());
        joint.lock().advance(&a_day(9), NOW);
        let cell = a_day(9).as_slice()[0].units().cell;
        let level = |cells: u64| Grant {
            keeps: true,
            levels: [cells * cell].into_iter().collect(),
            ..Grant::default()
        };
        let used = |cells: u64| joint.lock().overrun(cells, NOW);
        let told = |statement: &Statement| (statement.floors[0], statement.total - statement.total_known);
        let cells = |count: i64| count * cell.cast_signed();
        used(2);
        let first = joint.state(1, true, 0, NOW);
        assert!(first.floors[0] < cells(-9), "nothing was known");
        joint.hear(&first, heard(&level(3)), true, NOW);
        used(2);
        let second = joint.state(2, true, 0, NOW);
        assert_eq!(told(&second), (cells(3), 2));
        // Another node has not been heard yet, which knows more.
        let unsettled = Heard { grant: &level(5), unsettled_millis: 1_200 };
        joint.hear(&second, Some(unsettled), false, NOW);
        assert_eq!(told(&joint.state(3, true, 0, NOW)), (cells(3), 2));
        joint.hear(&joint.state(4, true, 0, NOW), Some(unsettled), false, NOW);
        let later = |millis: u64| Now { elapsed: 1_000 + millis, unslept: 1_000 + millis };
        let is_due = |millis| joint.lock().holding.is_due(later(millis).unslept);
        assert!(
            !is_due(1_199) && is_due(1_200) && !joint.lock().holding.is_spent(),
            "it is told until it is known"
        );
        let third = joint.state(5, true, 0, later(1_200));
        joint.hear(&third, heard(&level(8)), true, later(1_200));
        assert!(joint.lock().holding.is_spent());
        assert_eq!(told(&joint.state(6, true, 0, later(1_200))), (cells(8), 0));
    }
}
