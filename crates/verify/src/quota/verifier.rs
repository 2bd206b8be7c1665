//! What the verifier offers of quotas.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use keystile_core::quota::{Actual, Need, OpenHold, Origin, Whose};
use keystile_core::usage::Latency;
use keystile_core::{Ask, Change, Code, Digest, HoldId, KeyId, Refusal, TenantId};

use super::account::Account;
use super::bid::{Bid, tidied};
use super::flush::Return;
use super::hold::{Fresh, Hold, Terms};
use super::leasing::unavailable;
use super::room::Room;
use super::settling::{SettleError, Settling};
use super::unwritten::UnwrittenCharges;
use crate::cache::Look;
use crate::cached_key::CachedKey;
use crate::meter::OwnerId;
use crate::source::SourceUnavailable;
use crate::verifier::{Cold, Verifier};

/// What operators see of quotas. What counts up begins at 0 with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaStats {
    /// Lineages with holds, leases or charges that are not written.
    pub accounts: usize,
    /// Holds that are open.
    pub holds: usize,
    /// Charges that are not written yet, those under way included. Together with holds they are at most [`crate::CHARGES_WAITING`].
    pub charges_waiting: usize,
    /// Questions to the authority of budgets.
    pub leases: u64,
    /// Holds that were charged in full because nobody settled them in time.
    pub overdue: u64,
    /// Rounds of writing charges that failed; they stay pending.
    pub flush_failures: u64,
    /// Charges that the ledger refused, and takes no more.
    pub given_up: u64,
}

impl Verifier {
    /// What a request may still take, for who is told of it. Asks the budget's authority if it has told nothing yet, for
    /// [`crate::ROOM_TIMEOUT`] at most, and not at all just after it has not answered in time.
    ///
    /// # Errors
    /// When that cannot be known now.
    pub async fn room(&self, key: &Arc<CachedKey>) -> Result<Room, SourceUnavailable> {
        let limits = (key.tokens(), key.budget());
        if limits == (None, None) {
            return Ok(Room::default());
        }
        if !self.may_take_from(key) {
            return Err(SourceUnavailable);
        }
        self.quota.room_to_tell(&self.account_of(key), (key.tenant_id(), key.id()), limits).await
    }

    /// Takes tokens and money for a request, all or nothing, under the limits that the key has at this moment. From memory as long as the
    /// lease of its budget has enough; otherwise it asks the authority, for [`crate::LEASE_TIMEOUT`] at most. A refusal is counted as a
    /// decision about the key.
    ///
    /// # Errors
    /// [`Refusal::TokensLimited`] and [`Refusal::BudgetExhausted`] when it does not fit, `EnforcementUnavailable` when that cannot be
    /// known now, or what speaks against a key that was changed since it was found.
    pub async fn reserve(&self, key: &Arc<CachedKey>, need: &Need, terms: Terms) -> Result<Hold, Refusal> {
        let key = self.as_it_is(key).await.map_err(Refusal::Plain)?;
        if !self.may_take_from(&key) {
            return Err(unavailable());
        }
        let bid = Bid {
            whose: whose(&key),
            tokens: key.tokens(),
            asked_tokens: false,
            budget: key.budget(),
            need: *need,
            deadline: terms.deadline,
            origin: terms.origin,
            model: tidied(terms.model),
            request_id: tidied(terms.request_id),
        };
        let held = match self.quota.reserve(&self.account_of(&key), bid).await {
            Ok(hold) => self.confirmed(&key, hold).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &held {
            self.count_refusal(&key, refusal, Latency::Memory, self.clock.now());
        }
        held
    }

    /// Holds what a caller has estimated, until it is settled by [`Self::settle_hold`] or its deadline passes. `terms.origin` is the caller.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub async fn reserve_for_caller(
        &self,
        key: &Arc<CachedKey>,
        need: &Need,
        terms: Terms,
    ) -> Result<HoldId, Refusal> {
        let terms = Terms { origin: Origin::Caller, ..terms };
        self.reserve(key, need, terms).await.map(Hold::hand_over)
    }

    /// Whether a request would fit, holding nothing: for explanations.
    pub(crate) async fn would_fit(&self, key: &Arc<CachedKey>, need: &Need) -> [Result<(), Refusal>; 2] {
        let account = self.account_of(key);
        [
            self.quota.tokens_fit(&account, key.tokens(), need),
            self.quota.money_fits(&account, ((key.tenant_id(), key.id()), key.budget()), need).await,
        ]
    }

    /// Ends a hold of the tenant by its id: one that a caller was given, or, in a person's hands, any. Whoever says the same of one that has ended, and
    /// whose charge is not written, is told the same; behind that the ledger tells.
    ///
    /// # Errors
    /// When no such hold is known here, or it has ended otherwise.
    pub fn settle_hold(
        &self,
        tenant_id: TenantId,
        id: HoldId,
        actual: &Actual,
    ) -> Result<Settling, SettleError> {
        self.quota.settle_by_id(tenant_id, id, actual)
    }

    /// Decides anew, from memory, about a key that was found before: for requests that take long. Counts nothing. `None` when its facts
    /// were forgotten, so that they have to be read.
    pub fn still_stands(&self, digest: &Digest, ask: &Ask<'_>) -> Option<Result<(), Refusal>> {
        match self.look_up(digest) {
            Look::Known(key) => Some(key.decide(ask, self.clock.now())),
            Look::Absent => Some(Err(Refusal::Plain(Code::KeyNotFound))),
            Look::Unknown => None,
        }
    }

    /// Charges what is overdue and writes all charges that are pending, for somebody who is about to read them.
    ///
    /// # Errors
    /// When they cannot be written now; they stay pending.
    pub async fn flush_spend(&self) -> Result<(), SourceUnavailable> {
        self.quota.flush().await
    }

    /// The same, and then gives back leases; to be called every second, and at the end with [`Return::All`].
    ///
    /// # Errors
    /// When something cannot be written now; it stays pending.
    pub async fn settle_up(&self, what: Return) -> Result<(), SourceUnavailable> {
        self.quota.settle_up(what).await
    }

    /// What was charged and is not written, of each key, who was charged most first: for who has to say what is lost. Waits for a write
    /// that is under way.
    pub async fn unwritten_charges(&self) -> Vec<UnwrittenCharges> {
        self.quota.unwritten().await
    }

    /// Goes on with a hold that another process has opened, whose lease this one has taken over: what was told of its budget is asked anew. It
    /// may be told more than once of the same.
    pub fn adopt_hold(&self, hold: OpenHold) {
        let account = match hold.whose.lineage_id {
            Some(lineage_id) => self.lineage_account(lineage_id),
            None => self.quota.unlimited(),
        };
        self.quota.adopt(&account, hold);
        account.lock().forget_told();
    }

    /// A reading of the counters of quotas. Takes the lock of each active account for a moment; meant for every few seconds.
    pub fn quota_stats(&self) -> QuotaStats {
        self.quota.stats()
    }

    /// Another server may have served meanwhile, and taken up what this one has leased: no more of that is used.
    pub(crate) fn forget_leases(&self) {
        self.quota.forget_leases();
    }

    /// What is spent of some budgets was changed by hand.
    pub(crate) fn forget_budgets(&self, change: &Change) {
        for lineage_id in change.budgeted() {
            if let Some(meter) = self.fills.meters().find(OwnerId::lineage(*lineage_id))
                && let Some(account) = meter.known_account()
            {
                account.lock().forget_told();
            }
        }
    }

    /// The key as it is by now: it may have been changed since it was found.
    pub(crate) async fn as_it_is(&self, key: &Arc<CachedKey>) -> Result<Arc<CachedKey>, Code> {
        match self.look_up(key.digest()) {
            Look::Known(key) => Ok(key),
            Look::Absent => Err(Code::KeyNotFound),
            Look::Unknown => Box::pin(self.read(Cold { digest: *key.digest() })).await.map(|(key, _)| key),
        }
    }

    /// What was held under limits that were changed meanwhile is given back, and has to be asked for anew: from the moment at which a change is
    /// answered nothing is held beyond it, however long somebody has waited for a lease.
    async fn confirmed(&self, key: &Arc<CachedKey>, hold: Hold) -> Result<Hold, Refusal> {
        let fresh = Fresh::new(hold);
        let now = self.as_it_is(key).await.map_err(Refusal::Plain)?;
        let stands = (now.tokens(), now.budget()) == (key.tokens(), key.budget());
        if stands && self.may_take_from(&now) {
            fresh.take().ok_or_else(unavailable)
        } else {
            Err(unavailable())
        }
    }

    /// What a node without a lease has leased of budgets may be another's by now.
    fn may_take_from(&self, key: &CachedKey) -> bool {
        key.budget().is_none() || self.standing.is_good()
    }

    fn account_of(&self, key: &CachedKey) -> Arc<Account> {
        if key.tokens().is_some()
            && let (Some(desk), Some(account)) = (self.quota.shared.get(), key.account())
        {
            account.share_tokens(desk);
        }
        key.account().map_or_else(|| self.quota.unlimited(), Arc::clone)
    }

    fn lineage_account(&self, lineage_id: KeyId) -> Arc<Account> {
        let meter = self.fills.meters().of(OwnerId::lineage(lineage_id), self.clock.elapsed_millis());
        Arc::clone(meter.account())
    }
}

fn whose(key: &CachedKey) -> Whose {
    Whose {
        tenant_id: key.tenant_id(),
        key_id: key.id(),
        lineage_id: key.lineage_id(),
        application_id: key.application_id(),
        customer_id: key.customer_id(),
        environment: key.environment(),
    }
}

impl super::Quota {
    /// The account of keys without limits.
    fn unlimited(&self) -> Arc<Account> {
        Arc::clone(&self.unlimited)
    }

    fn forget_leases(&self) {
        self.handed.lock().contest();
        self.active().iter().for_each(|account| account.lock().forget_leases());
    }

    fn stats(&self) -> QuotaStats {
        let active = self.active();
        QuotaStats {
            accounts: active.len(),
            holds: active.iter().map(|account| account.lock().open_holds()).sum(),
            charges_waiting: self.queue.len(),
            leases: self.asked.load(Ordering::Relaxed),
            overdue: self.overdue.load(Ordering::Relaxed),
            flush_failures: self.failed_flushes.load(Ordering::Relaxed),
            given_up: self.given_up.load(Ordering::Relaxed),
        }
    }
}
