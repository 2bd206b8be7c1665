//! What one lineage has used and holds of its tokens and its budget.

mod lease;
mod settle;
mod take;
mod tokens;
mod truths;

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::quota::{Budget, BudgetTime, LeaseTruth, OpenHold, Pace, TokenMeter};
use keystile_core::rate::UsedLimit;
use keystile_core::{HoldId, KeyId, NanoUsd, TenantId, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use super::bid::Held;
use super::pocket::Pocket;
use crate::shared::{Desk, Joint};

pub(super) use take::Authority;
pub(super) use tokens::{Taken, TokenFit, TokenShortage, Tokens};

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
    tokens: Tokens,
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

    /// From now on nodes share its tokens.
    pub(super) fn share_tokens(&self, desk: &Arc<Desk>) {
        if let Some(lineage_id) = self.lineage_id {
            self.lock().tokens.share(desk, lineage_id);
        }
    }

    /// Whether forgetting it changes nothing. While somebody asks the authority it is needed.
    pub(crate) fn is_spent(&self, now: u64) -> bool {
        let is_asked_for = self.turn.try_lock().is_err();
        let inner = self.lock();
        !is_asked_for && !inner.is_active && inner.waiting == 0 && inner.tokens.is_unused(now)
    }

    /// What nodes share of its tokens, if any are known to be used.
    pub(crate) fn shared_tokens(&self, now: u64) -> Option<Arc<Joint>> {
        self.lock().tokens.shared(now)
    }

    /// How many tokens are used, to be kept over a restart, and when none will be.
    pub(crate) fn tokens_to_keep(&self, now: u64) -> Option<(UsedLimit, u64)> {
        self.lock().tokens.record(now)
    }

    /// Puts back what was kept.
    pub(crate) fn restore_tokens(&self, kept: &UsedLimit, elapsed: u64, now: u64) {
        self.lock().tokens = Tokens::Own(TokenMeter::from_record(kept, elapsed, now));
    }

    /// What the authority is told of one of its pockets.
    pub(super) fn truth(&self, time: BudgetTime, leased: NanoUsd) -> Option<LeaseTruth> {
        Some(LeaseTruth { lineage_id: self.lineage_id?, time, leased })
    }
}

impl Inner {
    /// Notes that somebody has to come back to it. Tells whether that is news.
    pub(super) const fn activate(&mut self) -> bool {
        !std::mem::replace(&mut self.is_active, true)
    }

    /// The hold, if it is open.
    pub(super) fn hold(&self, id: HoldId) -> Option<&OpenHold> {
        self.holds.get(&id).map(|held| &held.hold)
    }

    /// How many holds are open.
    pub(super) fn open_holds(&self) -> usize {
        self.holds.len()
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

    /// The tokens of the lineage.
    pub(super) const fn tokens(&mut self) -> &mut Tokens {
        &mut self.tokens
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
