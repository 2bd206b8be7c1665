//! What a request has in hand while it is under way.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::llm::Consumption;
use keystile_core::quota::{Basis, Origin};
use keystile_core::{HoldId, NanoUsd, ProviderId};

use super::Quota;
use super::account::Account;
use super::settling::Report;

/// On which terms something is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// From now until it is charged in full, if nobody has settled it.
    pub deadline: Duration,
    /// Who has to settle it.
    pub origin: Origin,
    /// The model that is asked for; empty if none is. Only the first 200 letters are kept.
    pub model: Box<str>,
    /// The request. Only the first 200 letters are kept.
    pub request_id: Box<str>,
}

/// What a request did use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Tokens, images and the like.
    pub used: Consumption,
    /// What that costs; nothing if it has no price. What is above the hold is debt, and charged as well.
    pub cost: NanoUsd,
    /// What that rests on.
    pub basis: Basis,
    /// The model that was used.
    pub model: Box<str>,
    /// Who served it.
    pub provider_id: Option<ProviderId>,
    /// Which version of the model's price was applied.
    pub price_version: Option<u32>,
}

/// Tokens and money that are held for one request. Dropping it unsettled charges all of it, as nobody knows what was used.
#[must_use = "dropping it charges all that is held"]
pub struct Hold {
    quota: Arc<Quota>,
    account: Arc<Account>,
    id: HoldId,
    units: u64,
    is_open: bool,
}

impl Hold {
    pub(super) const fn new(quota: Arc<Quota>, account: Arc<Account>, id: HoldId, units: u64) -> Self {
        Self { quota, account, id, units, is_open: true }
    }

    /// Names it.
    pub const fn id(&self) -> HoldId {
        self.id
    }

    /// For how many units of [`keystile_core::quota::Need::each`] it is.
    pub const fn units(&self) -> u64 {
        self.units
    }

    /// Charges what was used and gives back the rest, at once in memory; the row of the ledger is queued. Once its deadline has passed
    /// all of it is charged already, and this changes nothing.
    pub fn settle(mut self, actual: Settled) {
        self.is_open = false;
        self.quota.settle(&self.account, self.id, Report::of(actual));
    }

    /// Gives all of it back, as nothing was done. The ledger has no row of it.
    pub fn release(mut self) {
        self.is_open = false;
        self.quota.release(&self.account, self.id);
    }

    /// Leaves it to whoever is told its id, until its deadline.
    pub(super) fn hand_over(mut self) -> HoldId {
        self.is_open = false;
        self.quota.hand_over(self.id, &self.account);
        self.id
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_open {
            self.quota.settle(&self.account, self.id, Report::in_full());
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").field("id", &self.id).field("units", &self.units).finish_non_exhaustive()
    }
}

/// A hold that nobody has in hand yet: dropped, it is given back.
pub(super) struct Fresh(Option<Hold>);

impl Fresh {
    pub(super) const fn new(hold: Hold) -> Self {
        Self(Some(hold))
    }

    pub(super) fn take(mut self) -> Option<Hold> {
        self.0.take()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(hold) = self.0.take() {
            hold.release();
        }
    }
}
