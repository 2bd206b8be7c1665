//! What one node has reserved of the limits of one owner, and what it has to tell of it.
//!
//! Nothing here waits or locks. Times are milliseconds of [`keystile_core::Clock::unslept_millis`].

use super::back::Back;
use super::pace::Pace;
use super::port::{Grant, RESERVED_MILLIS, Want};

/// By how much clocks may drift apart while something is reserved, and for how long the last use may take.
const MARGIN_MILLIS: u64 = 50;
/// What is reserved lasts for about so long.
const AHEAD_MILLIS: u64 = 200;
/// As much is reserved while there is plenty, so that keys of medium use do not ask for each request.
const HANDFUL: u64 = 16;
/// After so long without a use what is left is given back.
const IDLE_MILLIS: u64 = 250;
/// So often something is told by who uses what it has.
const TELL_MILLIS: u64 = 200;
/// After so long an authority may have forgotten what it knew of a node that has nothing reserved.
const REMEMBERED_MILLIS: u64 = 60_000;
/// Nobody asks again sooner, but where the whole limit is free again sooner.
const PAUSE_MILLIS: u64 = 20;
/// Nobody believes for longer that a limit is full: other nodes may give back what they have used.
const BELIEVED_MILLIS: u64 = 1_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// What may be used until [`Self::until`].
    cells: u64,
    until: u64,
    /// All that was used, and how much of it was told by the last statement that was answered.
    total: i64,
    total_answered: i64,
    /// How much the last statement told that was answered when the authority knew all that nodes know.
    total_known: i64,
    back: Back,
    /// From then on the authority is to be told once more, as it had forgotten something and may not have heard of all when it answered.
    retell_at: Option<u64>,
    since: u64,
    answered: u64,
    heard_at: u64,
    others: u64,
    /// The last absence of the authority in which a part was used that was not reserved, and the last of which it was told.
    alone_in: u64,
    told_of: u64,
    flight: Option<Flight>,
    /// The last statement that was sent.
    sent: u64,
    used_at: u64,
    pace: Pace,
    waiting: Want,
    full: Option<Shut>,
    unsettled_until: u64,
}

/// A statement under way.
#[derive(Debug)]
struct Flight {
    number: u64,
    sent_at: u64,
    /// What it tells to be used, without what it gives back.
    total: i64,
    back: u64,
    kept: u64,
    absence: u64,
}

/// Nothing is free for requests of this cost or more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shut {
    pub(super) least: u64,
    /// From then on they may fit.
    pub(super) free_at: u64,
    /// Until then nobody asks.
    ask_at: u64,
    /// The limit that is full, by its place.
    pub(super) place: usize,
}

/// What a statement says of a holding.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) since: u64,
    pub(super) answered: u64,
    pub(super) total: i64,
    pub(super) back: u64,
    pub(super) total_known: i64,
    pub(super) kept: u64,
    pub(super) returned: u64,
    pub(super) want: Want,
}

impl Holding {
    /// Takes so much of what is reserved, if it has that. A request can only be late here by what it takes to count it.
    pub(super) fn take(&mut self, cost: u64, now: u64) -> bool {
        if self.cells < cost || now >= self.until {
            return false;
        }
        self.cells -= cost;
        self.note(cost, now);
        true
    }

    /// What may be used now.
    pub(crate) const fn usable(&self, now: u64) -> u64 {
        if now < self.until { self.cells } else { 0 }
    }

    /// So much was used that was not reserved.
    pub(super) fn note(&mut self, cost: u64, now: u64) {
        self.total = self.total.saturating_add_unsigned(cost);
        self.used_at = now;
        self.pace.note(cost);
    }

    /// The same, of a part of the limits, in the absence of the authority of that number.
    pub(super) fn note_alone(&mut self, cost: u64, absence: u64, now: u64) {
        self.alone_in = self.alone_in.max(absence);
        self.note(cost, now);
    }

    /// Whether the authority has not been told of the last absence in which a part was used. What is used after that is told like anything.
    pub(super) const fn was_alone(&self) -> bool {
        self.alone_in > self.told_of
    }

    /// Which statement was the last before something that is used now; it is told by a later one.
    pub(crate) const fn sent(&self) -> u64 {
        self.sent
    }

    /// Of what was used after this statement so much was not used after all. If nobody was told yet it is reserved as it was before; otherwise
    /// it is told to be used no more, as far as it has not leaked out.
    pub(super) fn put_back(&mut self, unused: u64, unleaked: u64, after: u64, now: u64) {
        if self.sent == after && now < self.until {
            self.cells = self.cells.saturating_add(unused);
            self.total = self.total.saturating_sub_unsigned(unused);
            return;
        }
        self.back.add(unleaked.min(unused), now);
    }

    /// What is to be given back.
    pub(super) const fn back_mut(&mut self) -> &mut Back {
        &mut self.back
    }

    /// What was used and not told by a statement that was answered.
    pub(super) const fn unreported(&self) -> i64 {
        self.total.saturating_sub_unsigned(self.back.cells()) - self.total_answered
    }

    /// Whether the authority is to be told of something used or given back.
    const fn has_news(&self) -> bool {
        self.total != self.total_answered || self.back.cells() > 0
    }

    /// The authority has forgotten, and has to be told.
    pub(super) const fn retell(&mut self, now: u64) {
        self.retell_at = Some(now);
    }

    /// It was told, and answered that it may not know all that nodes know for so long.
    pub(super) const fn note_told(&mut self, unsettled_millis: u64, now: u64) {
        if unsettled_millis > 0 {
            self.retell(now.saturating_add(unsettled_millis));
        } else {
            (self.retell_at, self.total_known) = (None, self.total_answered);
        }
    }

    /// What other nodes have reserved, as far as it is known.
    pub(super) const fn others(&self) -> u64 {
        self.others
    }

    /// The same, which is counted as used from now on.
    pub(super) const fn forget_others(&mut self) -> u64 {
        std::mem::replace(&mut self.others, 0)
    }

    /// What other nodes have reserved is known now.
    pub(super) const fn learn_others(&mut self, others: u64) {
        self.others = others;
    }

    /// Whether a statement is under way.
    pub(super) const fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Whether, and how, requests of this cost are refused without asking.
    pub(crate) fn shut(&self, cost: u64, now: u64) -> Option<Shut> {
        self.full.filter(|full| cost >= full.least && now < full.ask_at)
    }

    /// How a request of this cost was refused last.
    pub(super) fn refused(&self, cost: u64) -> Option<Shut> {
        self.full.filter(|full| cost >= full.least)
    }

    /// What was full is asked for again, as the limits are others now.
    pub(super) const fn reopen(&mut self) {
        self.full = None;
    }

    /// Whether the authority may not know what is reserved, so that it cannot be asked about this owner.
    pub(super) const fn is_unsettled(&self, now: u64) -> bool {
        now < self.unsettled_until
    }

    /// Somebody waits for so much, or for `most` of which `least` is of use.
    pub(super) fn wait_for(&mut self, least: u64, most: u64) {
        let waiting = &mut self.waiting;
        waiting.least = if waiting.least == 0 { least } else { waiting.least.min(least) };
        waiting.need = waiting.need.saturating_add(most);
    }

    /// Whether there is something to tell or to ask now.
    pub(super) fn is_due(&self, now: u64) -> bool {
        if self.flight.is_some() {
            return false;
        }
        let is_old = now.saturating_sub(self.heard_at) >= TELL_MILLIS;
        let is_to_retell = self.retell_at.is_some_and(|at| now >= at);
        self.waiting.least > 0 || (is_old && (self.cells > 0 || self.has_news() || is_to_retell))
    }

    /// Whether it may be asked for more before the last is used.
    pub(super) fn is_low(&self, now: u64) -> bool {
        let is_early = now.saturating_sub(self.heard_at) < PAUSE_MILLIS || self.shut(1, now).is_some();
        self.flight.is_none() && !is_early && self.cells.saturating_mul(4) < self.pace.within(AHEAD_MILLIS)
    }

    /// Whether forgetting it changes nothing.
    pub(super) const fn is_spent(&self) -> bool {
        self.cells == 0
            && !self.has_news()
            && self.retell_at.is_none()
            && self.flight.is_none()
            && self.waiting.least == 0
    }

    /// Nothing more is used here: the next statement gives back what is left.
    pub(super) fn retire(&mut self) {
        (self.used_at, self.waiting) = (0, Want::default());
    }

    /// What is to be stated, as `number`; `most` can be of use at once. The authority was away `absence` times. From now on what is not kept is not used.
    pub(super) fn state(&mut self, number: u64, most: u64, asks: bool, absence: u64, now: u64) -> Stated {
        if self.since == 0 {
            self.since = number;
        }
        if now.saturating_sub(self.heard_at) >= REMEMBERED_MILLIS {
            self.answered = 0;
        }
        if now >= self.until {
            self.cells = 0;
        }
        self.pace.turn(now);
        let waiting = if asks { std::mem::take(&mut self.waiting) } else { self.waiting };
        let is_idle = now.saturating_sub(self.used_at) >= IDLE_MILLIS && waiting.least == 0;
        let ahead = self.pace.within(AHEAD_MILLIS).max(HANDFUL);
        // What is at hand is there for those who wait as well.
        let lacking = |cells: u64| cells.saturating_sub(self.cells);
        let want = match (asks, is_idle) {
            (false, _) | (true, true) => Want::default(),
            (true, false) => Want {
                most: lacking(ahead.max(waiting.need)).min(most),
                // Whoever waits is followed by others.
                need: lacking(waiting.need).max(self.pace.within(PAUSE_MILLIS)).min(most),
                least: lacking(waiting.least),
            },
        };
        let had = self.cells;
        if is_idle {
            self.cells = 0;
        } else if waiting.least == 0 {
            // More than is of use soon is given back.
            self.cells = self.cells.min(ahead.saturating_mul(2));
        }
        let (total, back, kept) = (self.total, self.back.cells(), self.cells);
        let told = total.saturating_sub_unsigned(back);
        self.flight = Some(Flight { number, sent_at: now, total: told, back, kept, absence });
        self.sent = number;
        let (since, answered, total_known) = (self.since, self.answered, self.total_known);
        Stated { since, answered, total, back, total_known, kept, returned: had - kept, want }
    }

    /// A statement was answered. Tells whether it was the last one, of which the answer counts.
    pub(super) fn hear(
        &mut self,
        (number, want): (u64, Want),
        refill_millis: u64,
        grant: &Grant,
        now: u64,
    ) -> bool {
        let Some(flight) = self.flight.take_if(|flight| flight.number == number) else { return false };
        self.answered = number;
        self.told_of = flight.absence;
        self.total_answered = flight.total;
        self.total = self.total.saturating_sub_unsigned(flight.back);
        self.back.lessen(flight.back, now);
        self.heard_at = now;
        if !grant.keeps {
            self.cells = 0;
        }
        self.cells = self.cells.saturating_add(grant.granted);
        // What has lapsed is not reserved again by what is put back.
        self.until = if grant.keeps { flight.sent_at + RESERVED_MILLIS - MARGIN_MILLIS } else { now };
        // Whoever looked at the clock before this was heard, and comes to it after, finds nothing unsettled either.
        let unsettled = (grant.unsettled_millis > 0).then(|| now.saturating_add(grant.unsettled_millis));
        self.unsettled_until = unsettled.unwrap_or(0);
        let is_full = want.most > 0 && grant.wait_millis > 0;
        self.full = is_full.then(|| {
            let wait = grant.wait_millis;
            let pause = PAUSE_MILLIS.min(refill_millis / 8);
            // What others hold may be given back sooner than anything leaks.
            let ask = wait.min(if grant.others > 0 { PAUSE_MILLIS * 2 } else { BELIEVED_MILLIS });
            Shut {
                // What was granted is used first.
                least: if grant.granted == 0 && want.least > 0 { flight.kept + want.least } else { 1 },
                free_at: now.saturating_add(wait),
                ask_at: now.saturating_add(ask.max(pause)),
                place: grant.place,
            }
        });
        true
    }

    /// Nobody has answered it, and nobody waits for what it asked for any more.
    pub(super) fn hear_nothing(&mut self, number: u64) {
        self.waiting = Want::default();
        self.flight.take_if(|flight| flight.number == number);
        self.full = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(count: u64) -> Grant {
        Grant { keeps: true, granted: count, ..Grant::default() }
    }

    /// One to which so many were granted at 1,000 ms.
    fn holding(count: u64) -> Holding {
        let mut holding = Holding::default();
        holding.wait_for(1, 1);
        let stated = holding.state(1, 1_000, true, 0, 1_000);
        assert!(holding.hear((1, stated.want), 60_000, &granted(count), 1_003));
        holding
    }

    #[test]
    fn what_is_reserved_is_used_until_its_time_is_over_and_told_once() {
        let mut holding = holding(3);
        assert!(holding.take(2, 1_010) && !holding.take(2, 1_010));
        let stated = holding.state(2, 1_000, true, 0, 1_200);
        assert_eq!((stated.total, stated.total_known, stated.kept, stated.answered), (2, 0, 1, 1));
        assert!(holding.take(1, 1_201), "a statement under way holds nothing up");
        assert!(holding.hear((2, stated.want), 60_000, &granted(5), 1_204));
        assert_eq!((holding.unreported(), holding.usable(1_204)), (1, 5));
        assert_eq!((holding.usable(1_200 + 949), holding.usable(1_200 + 950)), (5, 0));
        assert!(!holding.take(1, 2_150));
        assert_eq!(holding.state(3, 1_000, true, 0, 2_150).kept, 0);
    }

    #[test]
    fn only_an_authority_that_says_so_is_unsettled() {
        let mut holding = holding(3);
        assert!(!holding.is_unsettled(1_002), "the clock was read just before the answer was heard");
        let stated = holding.state(2, 1_000, true, 0, 1_010);
        let grant = Grant { keeps: true, unsettled_millis: 100, ..Grant::default() };
        assert!(holding.hear((2, stated.want), 60_000, &grant, 1_020));
        assert!(holding.is_unsettled(1_019) && holding.is_unsettled(1_119) && !holding.is_unsettled(1_120));
    }

    #[test]
    fn what_is_not_used_is_given_back_and_an_answer_that_was_lost_gives_nothing() {
        let mut holding = holding(16);
        assert!(holding.take(1, 1_010) && !holding.is_due(1_020) && holding.is_due(1_260));
        let stated = holding.state(2, 1_000, true, 0, 1_260);
        assert_eq!((stated.kept, stated.returned, stated.want), (0, 15, Want::default()));
        holding.hear_nothing(2);
        assert_eq!((holding.usable(1_261), holding.unreported()), (0, 1));
        assert!(!holding.hear((2, stated.want), 60_000, &granted(9), 1_300), "it is too late");
        assert!(!holding.is_spent(), "what was used has to be told");
        let stated = holding.state(3, 1_000, true, 0, 1_500);
        assert_eq!((stated.answered, stated.total, stated.total_known), (1, 1, 0));
        assert!(holding.hear((3, stated.want), 60_000, &granted(0), 1_501) && holding.is_spent());
    }

    #[test]
    fn what_is_refused_is_not_asked_for_again_until_it_may_fit() {
        let mut holding = holding(0);
        holding.wait_for(4, 4);
        let stated = holding.state(2, 1_000, true, 0, 1_010);
        assert_eq!((stated.want.least, stated.want.need), (4, 4));
        let grant = Grant { wait_millis: 70, place: 1, ..granted(0) };
        assert!(holding.hear((2, stated.want), 60_000, &grant, 1_020));
        assert!(holding.shut(3, 1_021).is_none(), "less may fit");
        let shut = holding.shut(4, 1_089).unwrap();
        assert_eq!((shut.place, shut.free_at), (1, 1_090));
        assert!(holding.shut(4, 1_090).is_none());
    }

    #[test]
    fn a_limit_that_is_full_for_long_is_asked_for_every_second_and_at_once_when_it_is_another() {
        let mut holding = holding(0);
        holding.wait_for(1, 1);
        let stated = holding.state(2, 1_000, true, 0, 1_010);
        let grant = Grant { wait_millis: 3_600_000, ..granted(0) };
        assert!(holding.hear((2, stated.want), 60_000, &grant, 1_020));
        assert!(holding.shut(1, 2_019).is_some() && holding.shut(1, 2_020).is_none());
        assert_eq!(holding.refused(1).unwrap().free_at, 3_601_020);
        holding.reopen();
        assert!(holding.shut(1, 1_021).is_none());
    }

    #[test]
    fn who_stops_gives_back_what_is_left_however_lately_it_was_used() {
        let mut holding = holding(16);
        assert!(holding.take(1, 1_010));
        holding.retire();
        let stated = holding.state(2, 1_000, true, 0, 1_011);
        assert_eq!((stated.total, stated.kept, stated.returned, stated.want), (1, 0, 15, Want::default()));
    }

    #[test]
    fn who_waits_needs_only_what_is_not_at_hand() {
        let mut holding = holding(16);
        holding.wait_for(20, 20);
        let stated = holding.state(2, 1_000, true, 0, 1_010);
        assert_eq!((stated.kept, stated.want), (16, Want { most: 4, need: 4, least: 4 }));
        let grant = Grant { wait_millis: 70, ..granted(0) };
        assert!(holding.hear((2, stated.want), 60_000, &grant, 1_020));
        assert!(holding.shut(19, 1_021).is_none() && holding.shut(20, 1_021).is_some());
    }

    #[test]
    fn what_is_put_back_is_reserved_again_only_if_nobody_was_told_that_it_was_used() {
        let mut holding = holding(10);
        let after = holding.sent();
        assert!(holding.take(6, 1_010));
        holding.put_back(4, 1, after, 1_020);
        assert_eq!((holding.usable(1_020), holding.unreported()), (8, 2));
        let stated = holding.state(2, 1_000, true, 0, 1_030);
        holding.put_back(2, 1, after, 1_031);
        assert_eq!((holding.usable(1_031), holding.unreported()), (8, 1));
        assert!(holding.hear((2, stated.want), 60_000, &granted(0), 1_032));
        assert_eq!(holding.unreported(), -1, "the next statement takes it back");
        let stated = holding.state(3, 1_000, true, 0, 1_040);
        assert_eq!((stated.total, stated.back), (2, 1));
        assert!(holding.hear((3, stated.want), 60_000, &granted(0), 1_041));
        assert_eq!((holding.unreported(), holding.total, holding.back.cells()), (0, 1, 0));
    }

    #[test]
    fn who_uses_more_asks_for_more() {
        let mut holding = holding(500);
        for millis in 0..200 {
            assert!(holding.take(2, 1_010 + millis));
        }
        let stated = holding.state(2, 1_000, true, 0, 1_210);
        assert!((250..=400).contains(&stated.want.most), "{stated:?}: two a millisecond, for 200 ms");
        assert_eq!((stated.want.least, stated.want.need), (0, 38), "who comes in 20 ms");
    }
}
