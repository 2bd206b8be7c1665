//! What the authority has to note otherwise than it does, so that what is not needed is free for others.

use std::time::Duration;

use keystile_core::NanoUsd;
use keystile_core::quota::{Budget, BudgetTime};

use super::{Inner, Moment};
use crate::quota::pocket::Pocket;

/// After so long without a request what is free of a lease is given back.
const IDLE: Duration = Duration::from_secs(10);

impl Inner {
    /// What the authority has to note otherwise than it does, at most `most`: idle leases are given back, `all` of them if so wanted.
    /// To be called by who has the turn.
    pub(in crate::quota) fn truths(
        &mut self,
        moment: Moment,
        all: bool,
        most: usize,
    ) -> Vec<(BudgetTime, NanoUsd)> {
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
    pub(in crate::quota) fn has_free_beside(&mut self, budget: Budget, moment: Moment) -> bool {
        let pocket = self.pocket(budget, moment);
        let (paying, span) = (pocket.time, pocket.span);
        let mut beside = self.pockets.iter().filter(|pocket| pocket.is_beside(paying, &span));
        beside.any(|pocket| pocket.purse.free() > NanoUsd::ZERO)
    }

    /// What has to be noted of other periods of the budget that share a day with the one that pays now: what is free of them is given back,
    /// as it bears on the same days. Those that are merely over wait for nobody. To be called by who has the turn.
    pub(in crate::quota) fn truths_beside(
        &mut self,
        budget: Budget,
        moment: Moment,
    ) -> Vec<(BudgetTime, NanoUsd)> {
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
    pub(in crate::quota) fn note_truth(&mut self, time: BudgetTime, is_known: bool) {
        if let Some(pocket) = self.pocket_of(time) {
            pocket.note_truth(is_known);
        }
    }
}
