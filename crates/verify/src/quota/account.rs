//! What one lineage has used and holds of its tokens and its budget.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::quota::{
    Budget, BudgetTime, Charge, LeaseAsk, LeaseTruth, Leased, Need, OpenHold, Pace, Span, TokenMeter,
    TokensExceeded,
};
use keystile_core::rate::UsedLimit;
use keystile_core::{Code, HoldId, KeyId, NanoUsd, Refusal, TenantId, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use super::bid::{Bid, Held, Shortage, Taking};
use super::pocket::{Pocket, within_i64};
use crate::source::SourceUnavailable;

/// A lease lasts for so many seconds of the lineage's spending: long enough that few requests wait for one, short enough that little is
/// lost with a server.
const LEASE_SECONDS: i64 = 5;
/// After so long without a request what is free of a lease is given back.
const IDLE: Duration = Duration::from_secs(10);

/// What one lineage has used and holds.
pub(crate) struct Account {
    /// `None` is the account of all keys without limits.
    lineage_id: Option<KeyId>,
    /// Whoever has it asks the authority; the others wait for what that brings.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
pub(super) struct Inner {
    /// Whether somebody comes back to it.
    is_active: bool,
    tokens: TokenMeter,
    pockets: Vec<Pocket>,
    holds: HashMap<HoldId, Box<Held>>,
    /// Holds that were written as open and are given back.
    released: Vec<HoldId>,
    /// What requests without a budget may cost, and did cost and is not written: it bears on a budget that is set meanwhile.
    apart: i128,
    /// What those who wait for a lease need at least.
    waiting: i128,
    pace: Pace,
}

/// Who pays from which budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Payer {
    tenant_id: TenantId,
    key_id: KeyId,
    lineage_id: KeyId,
    pub(super) budget: Budget,
}

/// When something happens, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The clock of people.
    pub(super) at: Timestamp,
    /// Milliseconds of the clock that nobody sets.
    pub(super) now: u64,
}

/// What the authority has said for a bid.
pub(super) enum Authority<'a> {
    /// It was not asked.
    Unasked,
    /// It has answered, or not.
    Asked(&'a LeaseAsk, Result<Leased, SourceUnavailable>),
}

/// A hold that was opened.
pub(super) struct Opened {
    pub(super) id: HoldId,
    pub(super) units: u64,
    /// Whether the account has to be noted as active.
    pub(super) is_news: bool,
}

impl Account {
    pub(crate) fn new(lineage_id: Option<KeyId>) -> Arc<Self> {
        Arc::new(Self { lineage_id, turn: Arc::default(), inner: Mutex::default() })
    }

    /// Who pays if a key of this tenant uses a budget; nobody for keys without limits.
    pub(super) fn payer(&self, tenant_id: TenantId, key_id: KeyId, budget: Option<Budget>) -> Option<Payer> {
        Some(Payer { tenant_id, key_id, lineage_id: self.lineage_id?, budget: budget? })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Whether forgetting it changes nothing. While somebody asks the authority it is needed.
    pub(crate) fn is_spent(&self, now: u64) -> bool {
        let is_asked_for = self.turn.try_lock().is_err();
        let inner = self.lock();
        !is_asked_for && !inner.is_active && inner.waiting == 0 && inner.tokens.is_unused(now)
    }

    /// How many tokens are used, to be kept over a restart, and when none will be.
    pub(crate) fn tokens_to_keep(&self, now: u64) -> Option<(UsedLimit, u64)> {
        let mut inner = self.lock();
        let limit = inner.tokens.limit();
        inner.tokens.advance(limit, now);
        Some((inner.tokens.to_record()?, inner.tokens.reset_millis()))
    }

    /// Puts back what was kept.
    pub(crate) fn restore_tokens(&self, kept: &UsedLimit, elapsed: u64, now: u64) {
        self.lock().tokens = TokenMeter::from_record(kept, elapsed, now);
    }

    /// What the authority is told of one of its pockets.
    pub(super) fn truth(&self, time: BudgetTime, leased: NanoUsd) -> Option<LeaseTruth> {
        Some(LeaseTruth { lineage_id: self.lineage_id?, time, leased })
    }
}

impl Inner {
    /// Takes all that a bid needs, or nothing. `id` names the hold.
    pub(super) fn take(
        &mut self,
        bid: &mut Bid,
        id: HoldId,
        moment: Moment,
        authority: &Authority<'_>,
    ) -> Taking<Opened> {
        if let Authority::Asked(ask, answer) = authority {
            self.hear(ask, answer.as_ref().ok(), moment.now);
        }
        let units = match self.units_of_tokens(bid.tokens, &bid.need, moment.now) {
            Ok(units) => units,
            Err(exceeded) => return Taking::Refused(Refusal::TokensLimited(Box::new(exceeded))),
        };
        match bid.budget {
            None => self.open(bid, id, units, None, moment),
            Some(budget) => match self.units_of_money(budget, (&bid.need, units), moment, authority) {
                Taking::Held(units) => {
                    let time = BudgetTime {
                        period: budget.period,
                        first_day: budget.period.span_at(moment.at).first_day(),
                    };
                    self.open(bid, id, units, Some(time), moment)
                }
                Taking::Refused(refusal) => Taking::Refused(refusal),
                Taking::Short(shortage) => Taking::Short(shortage),
            },
        }
    }

    /// As many units as the limit on tokens lets pass.
    pub(super) fn units_of_tokens(
        &mut self,
        limit: Option<u64>,
        need: &Need,
        now: u64,
    ) -> Result<u64, TokensExceeded> {
        let Some(limit) = limit else { return Ok(need.most) };
        self.tokens.advance(limit, now);
        let fewest = if self.tokens.is_clear() { need.fewest() } else { need.least };
        let fitting = need.units_within_tokens(self.tokens.remaining());
        fitting.filter(|units| *units >= fewest).ok_or_else(|| self.exceeded(need))
    }

    fn exceeded(&self, need: &Need) -> TokensExceeded {
        let (limit, requested) = (self.tokens.limit(), need.at(need.least).tokens);
        let wait_millis = if need.at(need.fewest()).tokens > limit {
            None
        } else if requested > limit {
            // It is cut to fit when nothing is used.
            Some(self.tokens.reset_millis())
        } else {
            self.tokens.wait(requested)
        };
        TokensExceeded { limit, used: self.tokens.used(), requested, wait_millis }
    }

    /// As many of these units as the budget lets pass.
    fn units_of_money(
        &mut self,
        budget: Budget,
        (need, units): (&Need, u64),
        moment: Moment,
        authority: &Authority<'_>,
    ) -> Taking<u64> {
        let pocket = self.pocket(budget, moment);
        let (usable, full) = (pocket.usable(budget.max), need.at(units).cost());
        if full <= usable {
            return Taking::Held(units);
        }
        let least = need.least.min(units);
        let fitting = need.units_within_money(usable).map(|fitting| fitting.min(units));
        let fitting = fitting.filter(|fitting| *fitting >= least);
        let is_told = match authority {
            Authority::Unasked if !pocket.is_dry(budget.max, need.at(least).cost(), moment.now) => {
                return Taking::Short(Shortage { least: need.at(least).cost(), wanted: full });
            }
            Authority::Unasked => true,
            // It may have been asked at the end of a period and answered in the next.
            Authority::Asked(ask, answer) => answer.is_ok() && ask.span == pocket.span,
        };
        let refusal = if is_told && !pocket.is_in_doubt() {
            Refusal::BudgetExhausted(Box::new(pocket.left(budget)))
        } else {
            Refusal::Plain(Code::EnforcementUnavailable)
        };
        fitting.map_or(Taking::Refused(refusal), Taking::Held)
    }

    fn open(
        &mut self,
        bid: &mut Bid,
        id: HoldId,
        units: u64,
        budget: Option<BudgetTime>,
        Moment { at, now }: Moment,
    ) -> Taking<Opened> {
        let amount = bid.need.at(units);
        if let Some(time) = budget
            && let Some(pocket) = self.pocket_of(time)
        {
            pocket.used_at = now;
            if !pocket.purse.hold(amount.cost()) {
                return Taking::Refused(Refusal::Plain(Code::EnforcementUnavailable));
            }
        }
        if budget.is_none() {
            self.apart += i128::from(amount.cost().as_nanos());
        }
        let taken_at = bid.tokens.map(|_| self.tokens.take(amount.tokens));
        let hold = OpenHold {
            id,
            whose: bid.whose,
            origin: bid.origin,
            opened_at: at,
            deadline_at: at.plus(bid.deadline),
            tokens: amount.tokens,
            cost: amount.cost(),
            budget,
            model: std::mem::take(&mut bid.model),
            request_id: std::mem::take(&mut bid.request_id),
        };
        let millis = u64::try_from(bid.deadline.as_millis()).unwrap_or(u64::MAX);
        let held = Held { hold, taken_at, deadline: now.saturating_add(millis), is_written: false };
        self.holds.insert(id, Box::new(held));
        Taking::Held(Opened { id, units, is_news: !std::mem::replace(&mut self.is_active, true) })
    }

    /// A hold that another process has opened and that goes on here. Tells whether the account has to be noted as active.
    pub(super) fn adopt(&mut self, hold: OpenHold, deadline: u64) -> bool {
        if let Some(time) = hold.budget {
            self.pocket_named(time).purse.adopt(hold.cost);
        } else {
            self.apart += i128::from(hold.cost.as_nanos());
        }
        let held = Held { taken_at: None, deadline, is_written: true, hold };
        self.holds.insert(held.hold.id, Box::new(held));
        !std::mem::replace(&mut self.is_active, true)
    }

    /// What to ask the authority.
    pub(super) fn ask(&mut self, payer: Payer, shortage: Shortage, moment: Moment) -> LeaseAsk {
        let Payer { tenant_id, key_id, lineage_id, budget } = payer;
        let ahead = self.pace.ahead(LEASE_SECONDS, moment.now).as_nanos();
        let wanted = shortage.wanted.as_nanos().max(within_i64(self.waiting)).max(ahead);
        let pocket = self.pocket(budget, moment);
        let (span, returned) = (pocket.span, pocket.begin_asking(budget.max));
        let free = pocket.purse.free().as_nanos();
        let beyond = |nanos: i64| NanoUsd::from_nanos(nanos.saturating_sub(free).max(0));
        LeaseAsk {
            tenant_id,
            key_id,
            lineage_id,
            budget,
            span,
            least: beyond(shortage.least.as_nanos()),
            wanted: beyond(wanted),
            returned,
            debt: self.debt_in(&span),
        }
    }

    /// What was charged without a lease in this time and is not written, and what requests without a budget may cost.
    fn debt_in(&self, span: &Span) -> NanoUsd {
        let sharing = self.pockets.iter().filter(|pocket| pocket.shares_a_day(span));
        let debt: i128 = sharing.map(|pocket| i128::from(pocket.purse.debt().as_nanos())).sum();
        NanoUsd::from_nanos(within_i64(debt + self.apart))
    }

    /// The authority has answered, or not. What it leased is noted as to be come back to.
    pub(super) fn hear(&mut self, ask: &LeaseAsk, answer: Option<&Leased>, now: u64) {
        let time = BudgetTime { period: ask.budget.period, first_day: ask.span.first_day() };
        let pocket = self.pocket_named(time);
        match answer {
            Some(answer) => pocket.hear(answer, now),
            None => pocket.hear_nothing(),
        }
    }

    /// Notes that somebody has to come back to it. Tells whether that is news.
    pub(super) const fn activate(&mut self) -> bool {
        !std::mem::replace(&mut self.is_active, true)
    }

    /// Somebody begins, or stops, to wait for a lease.
    pub(super) const fn wait_for(&mut self, nanos: i64) {
        self.waiting += nanos as i128;
    }

    /// Ends a hold with what was used and what that costs; `None` is all that was held. Tells what is charged; `None` if the hold is
    /// not open.
    pub(super) fn settle(
        &mut self,
        id: HoldId,
        (tokens, cost): (Option<u64>, Option<NanoUsd>),
        now: u64,
    ) -> Option<(Box<Held>, Charge)> {
        let held = self.holds.remove(&id)?;
        self.return_tokens(&held, tokens.unwrap_or(held.hold.tokens), now);
        let cost = cost.unwrap_or(held.hold.cost).max(NanoUsd::ZERO);
        let charge = match held.hold.budget {
            Some(time) => self.pocket_named(time).purse.settle(held.hold.cost, cost),
            None => {
                self.apart += i128::from(cost.as_nanos()) - i128::from(held.hold.cost.as_nanos());
                Charge { cost, from_lease: NanoUsd::ZERO }
            }
        };
        self.pace.note(charge.cost);
        Some((held, charge))
    }

    /// Ends a hold of which nothing was used. Tells whether it was open.
    pub(super) fn release(&mut self, id: HoldId, now: u64) -> bool {
        let Some(held) = self.holds.remove(&id) else { return false };
        self.return_tokens(&held, 0, now);
        if let Some(time) = held.hold.budget {
            // Nothing is charged.
            let _nothing = self.pocket_named(time).purse.settle(held.hold.cost, NanoUsd::ZERO);
        } else {
            self.apart -= i128::from(held.hold.cost.as_nanos());
        }
        if held.is_written {
            self.released.push(id);
        }
        true
    }

    fn return_tokens(&mut self, held: &Held, used: u64, now: u64) {
        if let Some(at) = held.taken_at {
            let limit = self.tokens.limit();
            self.tokens.advance(limit, now);
            self.tokens.settle(held.hold.tokens, at, used);
        }
    }

    /// A charge was written.
    pub(super) fn note_written(&mut self, budget: Option<BudgetTime>, charge: Charge) {
        match budget {
            None => self.apart -= i128::from(charge.cost.as_nanos()),
            Some(time) => {
                if let Some(pocket) = self.pocket_of(time) {
                    pocket.note_written(charge);
                }
            }
        }
    }

    /// Another server may have taken up what was leased.
    pub(super) fn forget_leases(&mut self) {
        self.pockets.iter_mut().for_each(Pocket::forget_lease);
    }

    /// What is spent was changed by hand.
    pub(super) fn forget_told(&mut self) {
        self.pockets.iter_mut().for_each(Pocket::forget_told);
    }

    /// The hold, if it is open.
    pub(super) fn hold(&self, id: HoldId) -> Option<&OpenHold> {
        self.holds.get(&id).map(|held| &held.hold)
    }

    /// Holds whose deadline has passed.
    pub(super) fn overdue(&self, now: u64) -> Vec<HoldId> {
        let passed = self.holds.values().filter(|held| held.deadline <= now);
        passed.map(|held| held.hold.id).collect()
    }

    /// How many holds are open.
    pub(super) fn open_holds(&self) -> usize {
        self.holds.len()
    }

    /// Up to `most` holds that are open and not written, which count as written from now on.
    pub(super) fn take_opened(&mut self, most: usize) -> Vec<OpenHold> {
        let unwritten = self.holds.values_mut().filter(|held| !held.is_written).take(most);
        let written = |held: &mut Box<Held>| {
            held.is_written = true;
            held.hold.clone()
        };
        unwritten.map(written).collect()
    }

    /// Holds that were written as open and are given back.
    pub(super) fn take_released(&mut self) -> Vec<HoldId> {
        std::mem::take(&mut self.released)
    }

    /// What the authority has to note otherwise than it does, at most `most`: idle leases are given back, `all` of them if so wanted.
    /// To be called by who has the turn.
    pub(super) fn truths(&mut self, moment: Moment, all: bool, most: usize) -> Vec<(BudgetTime, NanoUsd)> {
        let idle = u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX);
        let latest = self.pockets.iter().map(|pocket| pocket.used_at).max().unwrap_or(0);
        let truth = |pocket: &mut Pocket| {
            let is_idle = all
                || pocket.is_over(moment.at)
                || pocket.used_at < latest
                || moment.now.saturating_sub(pocket.used_at) >= idle;
            Some((pocket.time, pocket.truth(is_idle)?))
        };
        self.pockets.iter_mut().filter_map(truth).take(most).collect()
    }

    /// Whether anything is free of other periods that share a day with the one that pays now.
    pub(super) fn has_free_beside(&mut self, budget: Budget, moment: Moment) -> bool {
        let pocket = self.pocket(budget, moment);
        let (paying, span) = (pocket.time, pocket.span);
        let mut beside = self.pockets.iter().filter(|pocket| pocket.is_beside(paying, &span));
        beside.any(|pocket| pocket.purse.free() > NanoUsd::ZERO)
    }

    /// What has to be noted of other periods of the budget that share a day with the one that pays now: what is free of them is given back,
    /// as it bears on the same days. Those that are merely over wait for nobody. To be called by who has the turn.
    pub(super) fn truths_beside(&mut self, budget: Budget, moment: Moment) -> Vec<(BudgetTime, NanoUsd)> {
        let pocket = self.pocket(budget, moment);
        let (paying, span) = (pocket.time, pocket.span);
        let others = self.pockets.iter_mut().filter(|pocket| pocket.is_beside(paying, &span));
        let truth = |pocket: &mut Pocket| {
            if pocket.purse.free() == NanoUsd::ZERO {
                return None;
            }
            Some((pocket.time, pocket.truth(true)?))
        };
        others.filter_map(truth).collect()
    }

    /// The authority has noted it, or may have not.
    pub(super) fn note_truth(&mut self, time: BudgetTime, is_known: bool) {
        if let Some(pocket) = self.pocket_of(time) {
            pocket.note_truth(is_known);
        }
    }

    /// Forgets periods that are over. Tells whether somebody has to come back still; if not, the account is not active any more.
    pub(super) fn stays_active(&mut self, at: Timestamp) -> bool {
        self.pockets.retain(|pocket| !(pocket.is_settled() && pocket.is_over(at)));
        let is_settled = self.holds.is_empty()
            && self.released.is_empty()
            && self.waiting == 0
            && self.apart == 0
            && self.pockets.iter().all(Pocket::is_settled);
        self.is_active = !is_settled;
        self.is_active
    }

    /// The meter of tokens, under this limit, as of now.
    pub(super) fn tokens(&mut self, limit: u64, now: u64) -> &TokenMeter {
        self.tokens.advance(limit, now);
        &self.tokens
    }

    /// The pocket that pays now.
    pub(super) fn pocket(&mut self, budget: Budget, moment: Moment) -> &mut Pocket {
        let span = budget.period.span_at(moment.at);
        self.pocket_named(BudgetTime { period: budget.period, first_day: span.first_day() })
    }

    fn pocket_of(&mut self, time: BudgetTime) -> Option<&mut Pocket> {
        self.pockets.iter_mut().find(|pocket| pocket.time == time)
    }

    fn pocket_named(&mut self, time: BudgetTime) -> &mut Pocket {
        let place = self.pockets.iter().position(|pocket| pocket.time == time).unwrap_or_else(|| {
            let span = time.period.span_at(time.first_day.start());
            self.pockets.push(Pocket::new(time.period, span));
            self.pockets.len() - 1
        });
        &mut self.pockets[place]
    }
}
