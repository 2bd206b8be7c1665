//! The lease of one period of a budget, and what its authority has told of the rest.

use keystile_core::quota::{Budget, BudgetLeft, BudgetTime, Charge, Leased, Purse, Span};
use keystile_core::{BudgetPeriod, NanoUsd, Timestamp};

use super::room::BudgetRoom;

/// For so long it is believed that the authority has no more than it has told. On one server only a correction by hand could make that
/// untrue, and that is told.
const BELIEVED_MILLIS: u64 = 1_000;

/// One period of one budget.
pub(super) struct Pocket {
    pub(super) time: BudgetTime,
    pub(super) span: Span,
    pub(super) purse: Purse,
    told: Option<Told>,
    /// Something was asked, and no answer was heard.
    is_asked: bool,
    /// What the authority has noted may be more than what is here.
    is_doubtful: bool,
    pub(super) used_at: u64,
}

/// What the authority has told. `spent` and what is leased here change with each hold, but their sum only with what is leased anew.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// What is spent and what is leased here.
    total: i64,
    /// What others have leased.
    others: i64,
    /// Until when it is believed that there is no more.
    believed_until: u64,
}

impl Pocket {
    pub(super) fn new(period: BudgetPeriod, span: Span) -> Self {
        Self {
            time: BudgetTime { period, first_day: span.first_day() },
            span,
            purse: Purse::default(),
            told: None,
            is_asked: false,
            is_doubtful: false,
            used_at: 0,
        }
    }

    /// What a budget of `max` lets hold at once. A lease that was given under a larger one, or before more was charged than was leased, is
    /// not used before the authority was asked.
    pub(super) fn usable(&self, max: NanoUsd) -> NanoUsd {
        let debt = self.purse.debt().as_nanos();
        let taken = |told: Told| told.total.saturating_add(told.others).saturating_add(debt);
        let confirmed = self.told.is_some_and(|told| taken(told) <= max.as_nanos());
        if confirmed { self.purse.free() } else { NanoUsd::ZERO }
    }

    /// Whether asking the authority for what is needed would bring nothing, as it was asked a moment ago.
    pub(super) fn is_dry(&self, max: NanoUsd, needed: NanoUsd, now: u64) -> bool {
        let beyond = needed.as_nanos().saturating_sub(self.purse.free().as_nanos());
        let left = |told: Told| {
            let taken = told.total.saturating_add(told.others).saturating_add(self.purse.debt().as_nanos());
            max.as_nanos().saturating_sub(taken)
        };
        self.told.is_some_and(|told| now < told.believed_until && beyond > left(told))
    }

    /// Whether the authority was never asked, or has to be asked anew.
    pub(super) const fn is_untold(&self) -> bool {
        self.told.is_none()
    }

    /// What a budget has left, for who is refused.
    pub(super) fn left(&self, budget: Budget) -> BudgetLeft {
        let room = self.room(budget);
        BudgetLeft {
            max: budget.max,
            spent: room.spent,
            held: room.held,
            period: budget.period,
            ends_at: room.ends_at,
        }
    }

    /// What a budget has left, as far as it was told.
    pub(super) fn room(&self, budget: Budget) -> BudgetRoom {
        let (free, held) = (self.purse.free().as_nanos(), self.purse.held().as_nanos());
        let (total, others) = self.told.map_or((0, 0), |told| (told.total, told.others));
        let spent = (total - free - held).saturating_add(self.purse.debt().as_nanos()).max(0);
        let held = held.saturating_add(others);
        let remaining = (budget.max.as_nanos()).saturating_sub(spent).saturating_sub(held).max(0);
        BudgetRoom {
            max: budget.max,
            spent: NanoUsd::from_nanos(spent),
            held: NanoUsd::from_nanos(held),
            remaining: NanoUsd::from_nanos(remaining),
            ends_at: self.span.end,
        }
    }

    /// Gives up what is free.
    fn give_up_free(&mut self) -> NanoUsd {
        let free = self.purse.take_free();
        if let Some(told) = &mut self.told {
            told.total = told.total.saturating_sub(free.as_nanos());
        }
        free
    }

    /// A question is about to be asked; tells what is given back with it: what is free, if it must not be used.
    pub(super) fn begin_asking(&mut self, max: NanoUsd) -> NanoUsd {
        self.is_asked = true;
        if self.usable(max) == self.purse.free() { NanoUsd::ZERO } else { self.give_up_free() }
    }

    /// The question was answered.
    pub(super) fn hear(&mut self, answer: &Leased, now: u64) {
        self.is_asked = false;
        self.purse.add(answer.granted);
        self.told = Some(Told {
            total: answer.spent.as_nanos().saturating_add(answer.own.as_nanos()),
            others: answer.others.as_nanos(),
            believed_until: now.saturating_add(BELIEVED_MILLIS),
        });
    }

    /// The question was not answered, so that nobody knows what is noted as leased.
    pub(super) const fn hear_nothing(&mut self) {
        self.is_asked = false;
        self.is_doubtful = true;
    }

    /// Another server may have taken up what was leased: nothing that is free is used any more, and what the authority has noted is not
    /// known.
    pub(super) fn forget_lease(&mut self) {
        self.give_up_free();
        self.told = None;
        self.is_doubtful = true;
    }

    /// What is spent was changed by hand: nothing is used before the authority was asked.
    pub(super) const fn forget_told(&mut self) {
        self.told = None;
    }

    /// What the authority has noted may be more than what is here.
    pub(super) const fn doubt_lease(&mut self) {
        self.is_doubtful = true;
    }

    /// A charge was written. Its debt is spent by now.
    pub(super) fn note_written(&mut self, charge: Charge) {
        self.purse.note_written(charge);
        if let Some(told) = &mut self.told {
            told.total = told.total.saturating_add(charge.debt().as_nanos());
        }
    }

    /// What the authority has to note, if that differs from what it has; gives up what is free when that `is_idle`. To be called by
    /// who has the turn of the account, so that no question is under way.
    pub(super) fn truth(&mut self, is_idle: bool) -> Option<NanoUsd> {
        self.is_doubtful |= std::mem::take(&mut self.is_asked);
        let returns = is_idle && self.purse.free() > NanoUsd::ZERO;
        if returns {
            self.give_up_free();
        }
        (returns || self.is_doubtful).then(|| self.purse.leased())
    }

    /// What the authority has noted is known again, or still is not.
    pub(super) const fn note_truth(&mut self, is_known: bool) {
        if is_known && self.is_doubtful {
            self.told = None;
        }
        self.is_doubtful = !is_known;
    }

    /// Whether there is nothing in it that somebody would have to come back to.
    pub(super) const fn is_settled(&self) -> bool {
        self.purse.is_empty() && !self.is_doubtful && !self.is_asked
    }

    /// Whether the authority may have noted more as leased than is here.
    pub(super) const fn is_in_doubt(&self) -> bool {
        self.is_doubtful
    }

    /// Whether any day belongs to both.
    pub(super) fn shares_a_day(&self, span: &Span) -> bool {
        self.span.first_day() < span.end_day() && span.first_day() < self.span.end_day()
    }

    /// Whether it is another one than the one that is `paying`, and shares a day with that one's `span`.
    pub(super) fn is_beside(&self, paying: BudgetTime, span: &Span) -> bool {
        self.time != paying && self.shares_a_day(span)
    }

    /// Whether no request that begins at `at` is paid from it.
    pub(super) fn is_over(&self, at: Timestamp) -> bool {
        !self.span.covers(at)
    }
}

/// A sum of many amounts, as one.
pub(super) fn within_i64(nanos: i128) -> i64 {
    i64::try_from(nanos.max(0)).unwrap_or(i64::MAX)
}
