//! Taking what a request needs of tokens and money: all of it, or nothing.

use keystile_core::quota::{Budget, BudgetTime, LeaseAsk, Leased, Need, OpenHold};
use keystile_core::{Code, HoldId, NanoUsd, Refusal};

use super::{Inner, Moment, TokenFit};
use crate::quota::bid::{Bid, Held, Shortage, Taking};
use crate::source::SourceUnavailable;

/// What the authority has said for a bid.
pub(in crate::quota) enum Authority<'a> {
    /// It was not asked.
    Unasked,
    /// It has answered, or not.
    Asked(&'a LeaseAsk, Result<Leased, SourceUnavailable>),
}

/// A hold that was opened.
pub(in crate::quota) struct Opened {
    pub(in crate::quota) id: HoldId,
    pub(in crate::quota) units: u64,
    /// Whether the account has to be noted as active.
    pub(in crate::quota) is_news: bool,
}

impl Inner {
    /// Takes all that a bid needs, or nothing. `id` names the hold.
    pub(in crate::quota) fn take(
        &mut self,
        bid: &mut Bid,
        id: HoldId,
        moment: Moment,
        authority: &Authority<'_>,
    ) -> Taking<Opened> {
        if let Authority::Asked(ask, answer) = authority {
            self.hear(ask, answer.as_ref().ok(), moment.now);
        }
        let fit = bid.tokens.map(|limit| self.tokens.fit(limit, &bid.need, moment.now, bid.asked_tokens));
        let units = match fit {
            None => bid.need.most,
            Some(TokenFit::Units(units)) => units,
            Some(TokenFit::Full(exceeded)) => {
                return Taking::Refused(Refusal::TokensLimited(Box::new(exceeded)));
            }
            Some(TokenFit::Short(shortage)) => return Taking::ShortOfTokens(shortage),
            Some(TokenFit::Unavailable) => {
                return Taking::Refused(Refusal::Plain(Code::EnforcementUnavailable));
            }
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
                Taking::ShortOfTokens(shortage) => Taking::ShortOfTokens(shortage),
            },
        }
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
        let shortage = Shortage { least: need.at(least).cost(), wanted: full };
        let (lacks, is_dry) = (fitting.is_none(), pocket.is_dry(budget.max, shortage.least, moment.now));
        let is_told = match authority {
            Authority::Unasked if !is_dry => return Taking::Short(shortage),
            Authority::Unasked => true,
            // Others have taken of what was free when it was asked, and there is more.
            Authority::Asked(ask, Ok(answer))
                if lacks && !is_dry && answer.granted > NanoUsd::ZERO && ask.span == pocket.span =>
            {
                return Taking::Short(shortage);
            }
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
        let taken = bid.tokens.map(|_| self.tokens.take(amount.tokens));
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
        let deadline = now.saturating_add(millis);
        let held = Held { hold, taken, deadline, is_written: false, is_contested: false };
        self.holds.insert(id, Box::new(held));
        Taking::Held(Opened { id, units, is_news: !std::mem::replace(&mut self.is_active, true) })
    }

    /// A hold that another process has opened and that goes on here; `None` if it does so already. Tells whether the account has to be noted
    /// as active.
    pub(in crate::quota) fn adopt(&mut self, hold: OpenHold, deadline: u64) -> Option<bool> {
        if self.holds.contains_key(&hold.id) {
            return None;
        }
        if let Some(time) = hold.budget {
            self.pocket_named(time).purse.adopt(hold.cost);
        } else {
            self.apart += i128::from(hold.cost.as_nanos());
        }
        let held = Held { taken: None, deadline, is_written: true, is_contested: true, hold };
        self.holds.insert(held.hold.id, Box::new(held));
        Some(!std::mem::replace(&mut self.is_active, true))
    }
}
