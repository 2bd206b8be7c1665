//! Asking the authority for a part of a budget, and what it answers.

use keystile_core::NanoUsd;
use keystile_core::quota::{BudgetTime, LeaseAsk, Leased, Span};

use super::{Inner, Moment, Payer};
use crate::quota::bid::Shortage;
use crate::quota::pocket::{Pocket, within_i64};

/// A lease lasts for so many seconds of the lineage's spending: long enough that few requests wait for one, short enough that little is
/// lost with a server.
const LEASE_SECONDS: i64 = 5;

impl Inner {
    /// What to ask the authority.
    pub(in crate::quota) fn ask(&mut self, payer: Payer, shortage: Shortage, moment: Moment) -> LeaseAsk {
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
    pub(in crate::quota) fn hear(&mut self, ask: &LeaseAsk, answer: Option<&Leased>, now: u64) {
        let time = BudgetTime { period: ask.budget.period, first_day: ask.span.first_day() };
        let pocket = self.pocket_named(time);
        match answer {
            Some(answer) => pocket.hear(answer, now),
            None => pocket.hear_nothing(),
        }
    }

    /// Somebody begins, or stops, to wait for a lease.
    pub(in crate::quota) const fn wait_for(&mut self, nanos: i64) {
        self.waiting += nanos as i128;
    }

    /// Another server may have taken up what was leased and held.
    pub(in crate::quota) fn forget_leases(&mut self) {
        self.pockets.iter_mut().for_each(Pocket::forget_lease);
        self.holds.values_mut().for_each(|held| held.is_contested = true);
    }

    /// What is spent was changed by hand.
    pub(in crate::quota) fn forget_told(&mut self) {
        self.pockets.iter_mut().for_each(Pocket::forget_told);
    }
}
