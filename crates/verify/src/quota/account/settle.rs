//! The end of holds, and what is to be written of them.

use keystile_core::quota::{BudgetTime, Charge, OpenHold};
use keystile_core::{HoldId, NanoUsd};

use super::Inner;
use crate::quota::bid::Held;

impl Inner {
    /// Ends a hold with what was used and what that costs; `None` is all that was held. Tells what is charged; `None` if the hold is
    /// not open.
    pub(in crate::quota) fn settle(
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
    pub(in crate::quota) fn release(&mut self, id: HoldId, now: u64) -> bool {
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
        if let Some(how) = held.taken {
            self.tokens.settle(held.hold.tokens, how, used, now);
        }
    }

    /// A charge was written. One that `is_contested` was left out if another server had charged the hold before: then more is noted as leased
    /// than is here.
    pub(in crate::quota) fn note_written(
        &mut self,
        budget: Option<BudgetTime>,
        charge: Charge,
        is_contested: bool,
    ) {
        match budget {
            None => self.apart -= i128::from(charge.cost.as_nanos()),
            Some(time) => {
                if let Some(pocket) = self.pocket_of(time) {
                    pocket.note_written(charge);
                    if is_contested {
                        pocket.doubt_lease();
                    }
                }
            }
        }
    }

    /// Holds whose deadline has passed.
    pub(in crate::quota) fn overdue(&self, now: u64) -> Vec<HoldId> {
        let passed = self.holds.values().filter(|held| held.deadline <= now);
        passed.map(|held| held.hold.id).collect()
    }

    /// Up to `most` holds that are open and not written, which count as written from now on.
    pub(in crate::quota) fn take_opened(&mut self, most: usize) -> Vec<OpenHold> {
        let unwritten = self.holds.values_mut().filter(|held| !held.is_written).take(most);
        let written = |held: &mut Box<Held>| {
            held.is_written = true;
            held.hold.clone()
        };
        unwritten.map(written).collect()
    }

    /// Holds that were written as open and are given back.
    pub(in crate::quota) fn take_released(&mut self) -> Vec<HoldId> {
        std::mem::take(&mut self.released)
    }
}
