//! Taking what a request needs, after asking the authority if the lease has too little.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystile_core::quota::{Budget, LeaseAsk, Leased, OpenHold, Origin};
use keystile_core::{Code, KeyId, NanoUsd, Refusal, TenantId};
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::Quota;
use super::account::{Account, Authority, Moment, Payer};
use super::bid::{Bid, Shortage, Taking};
use super::hold::{Fresh, Hold};
use super::room::Room;
use crate::refilling::REFILLS;
use crate::source::SourceUnavailable;

/// Longest that a request waits for its part of a budget. No client waits longer for an answer, and an authority that needs more
/// has failed.
pub const LEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest that somebody waits who is only to be told what is left: an answer is better without it than late.
pub const ROOM_TIMEOUT: Duration = Duration::from_millis(500);
/// For so long after somebody has waited in vain nobody waits to be told what is left. Whoever needs a lease asks all the same.
const UNHEARD_MILLIS: u64 = 1_000;

/// So often one request asks for a lease, as others may take of what is free while the answer is on its way.
const QUESTIONS: usize = 3;

/// Somebody waits for a lease that has at least so much.
struct Waiting<'a> {
    account: &'a Account,
    nanos: i64,
}

impl<'a> Waiting<'a> {
    fn begin(account: &'a Account, needed: NanoUsd) -> Self {
        let nanos = needed.as_nanos();
        account.lock().wait_for(nanos);
        Self { account, nanos }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.account.lock().wait_for(-self.nanos);
    }
}

impl Quota {
    /// Takes all that is asked for, or nothing.
    pub(super) async fn reserve(
        self: &Arc<Self>,
        account: &Arc<Account>,
        mut bid: Bid,
    ) -> Result<Hold, Refusal> {
        let is_full = match bid.origin {
            Origin::Gateway => self.queue.is_full(),
            Origin::Caller => self.queue.is_full() || self.handed.lock().is_full(bid.whose.tenant_id),
        };
        if is_full {
            return Err(unavailable());
        }
        match self.take_waiting(account, &mut bid).await {
            Taking::Held(hold) => Ok(hold),
            Taking::Refused(refusal) => Err(refusal),
            Taking::ShortOfTokens(_) => Err(unavailable()),
            Taking::Short(shortage) => {
                let taken = Box::pin(self.lease_and_take(account, bid, shortage));
                tokio::time::timeout(LEASE_TIMEOUT, taken).await.unwrap_or_else(|_| {
                    self.note_unheard();
                    Err(unavailable())
                })
            }
        }
    }

    /// Takes it from what is leased, waiting for tokens that nodes share.
    async fn take_waiting(self: &Arc<Self>, account: &Arc<Account>, bid: &mut Bid) -> Taking<Hold> {
        for _ in 0..REFILLS {
            match self.take(account, bid, &Authority::Unasked) {
                Taking::ShortOfTokens(shortage) => Box::pin(shortage.refill()).await,
                taken => return taken,
            }
            bid.asked_tokens = true;
        }
        self.take(account, bid, &Authority::Unasked)
    }

    /// Takes it from what is leased, after hearing what the authority has said, if it was asked.
    fn take(
        self: &Arc<Self>,
        account: &Arc<Account>,
        bid: &mut Bid,
        authority: &Authority<'_>,
    ) -> Taking<Hold> {
        let moment = self.moment();
        let id = self.ids.next(moment.at);
        // Its lock is let go of before another is taken.
        let taken = account.lock().take(bid, id, moment, authority);
        match taken {
            Taking::Held(opened) => {
                self.queue.take_place();
                if opened.is_news {
                    self.note_active(account);
                }
                Taking::Held(Hold::new(Arc::clone(self), Arc::clone(account), opened.id, opened.units))
            }
            Taking::Refused(refusal) => Taking::Refused(refusal),
            Taking::Short(shortage) => Taking::Short(shortage),
            Taking::ShortOfTokens(shortage) => Taking::ShortOfTokens(shortage),
        }
    }

    /// Waits for the turn and for the authority. What it has leased is heard also when nobody waits any more.
    async fn lease_and_take(
        self: &Arc<Self>,
        account: &Arc<Account>,
        bid: Bid,
        shortage: Shortage,
    ) -> Result<Hold, Refusal> {
        let _waiting = Waiting::begin(account, shortage.least);
        let turn = Arc::clone(&account.turn).lock_owned().await;
        let (reply, answer) = oneshot::channel();
        tokio::spawn(Arc::clone(self).take_turn(Arc::clone(account), turn, bid, reply));
        match answer.await {
            Ok(Ok(fresh)) => fresh.take().ok_or_else(unavailable),
            Ok(Err(refusal)) => Err(refusal),
            // The authority has panicked, or the process ends.
            Err(_) => Err(unavailable()),
        }
    }

    async fn take_turn(
        self: Arc<Self>,
        account: Arc<Account>,
        turn: OwnedMutexGuard<()>,
        mut bid: Bid,
        reply: oneshot::Sender<Result<Fresh, Refusal>>,
    ) {
        // Whoever had the turn before may have leased enough.
        let mut taken = self.take(&account, &mut bid, &Authority::Unasked);
        for _ in 0..QUESTIONS {
            let Taking::Short(shortage) = taken else { break };
            let Some(payer) = account.payer(bid.whose.tenant_id, bid.whose.key_id, bid.budget) else { break };
            let (ask, answer) = self.consult(&account, payer, shortage).await;
            taken = self.take(&account, &mut bid, &Authority::Asked(&ask, answer));
        }
        drop(turn);
        let told = match taken {
            Taking::Held(hold) => Ok(Fresh::new(hold)),
            Taking::Refused(refusal) => Err(refusal),
            Taking::Short(_) | Taking::ShortOfTokens(_) => Err(unavailable()),
        };
        // Nobody waits any more: it is given back.
        drop(reply.send(told));
    }

    /// Asks the authority. To be called by who has the turn, and to be heard.
    async fn consult(
        &self,
        account: &Arc<Account>,
        payer: Payer,
        shortage: Shortage,
    ) -> (LeaseAsk, Result<Leased, SourceUnavailable>) {
        self.return_beside(account, payer.budget).await;
        let ask = {
            let mut inner = account.lock();
            inner.ask(payer, shortage, self.moment())
        };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let is_news = account.lock().activate();
        if is_news {
            self.note_active(account);
        }
        let answer = self.budgets.lease(ask).await;
        if answer.is_ok() {
            self.unheard_until.store(0, Ordering::Relaxed);
        }
        (ask, answer)
    }

    fn note_unheard(&self) {
        let until = self.clock.elapsed_millis().saturating_add(UNHEARD_MILLIS);
        self.unheard_until.store(until, Ordering::Relaxed);
    }

    /// What is left to a key of its limits, for who is told of it. Asks the authority only if it has told nothing yet and was not waited for
    /// in vain a moment ago.
    pub(super) async fn room_to_tell(
        self: &Arc<Self>,
        account: &Arc<Account>,
        whose: (TenantId, KeyId),
        limits: (Option<u64>, Option<Budget>),
    ) -> Result<Room, SourceUnavailable> {
        if let Some(room) = self.known_room(account, limits) {
            return Ok(room);
        }
        if self.clock.elapsed_millis() < self.unheard_until.load(Ordering::Relaxed) {
            return Err(SourceUnavailable);
        }
        self.room(account, whose, limits, ROOM_TIMEOUT).await
    }

    /// What is left to a key of its limits. Asks the authority only if it has told nothing yet, and waits no longer than `patience`.
    pub(super) async fn room(
        self: &Arc<Self>,
        account: &Arc<Account>,
        (tenant_id, key_id): (TenantId, KeyId),
        limits: (Option<u64>, Option<Budget>),
        patience: Duration,
    ) -> Result<Room, SourceUnavailable> {
        if let Some(room) = self.known_room(account, limits) {
            return Ok(room);
        }
        let payer = account.payer(tenant_id, key_id, limits.1).ok_or(SourceUnavailable)?;
        let asking = async {
            let turn = Arc::clone(&account.turn).lock_owned().await;
            let (quota, account) = (Arc::clone(self), Arc::clone(account));
            let asked = tokio::spawn(async move {
                let nothing = Shortage { least: NanoUsd::ZERO, wanted: NanoUsd::ZERO };
                if quota.known_room(&account, limits).is_none() {
                    let (ask, answer) = quota.consult(&account, payer, nothing).await;
                    let now = quota.clock.elapsed_millis();
                    account.lock().hear(&ask, answer.as_ref().ok(), now);
                }
                drop(turn);
            });
            // What it has heard is looked at next.
            drop(asked.await);
        };
        if tokio::time::timeout(patience, asking).await.is_err() {
            self.note_unheard();
            return Err(SourceUnavailable);
        }
        self.known_room(account, limits).ok_or(SourceUnavailable)
    }

    /// Goes on with a hold of another process, which its caller may still settle. Nothing happens if it does so already.
    pub(super) fn adopt(&self, account: &Arc<Account>, hold: OpenHold) {
        let Moment { at, now } = self.moment();
        let (id, left) = (hold.id, hold.deadline_at.as_millis().saturating_sub(at.as_millis()));
        let deadline = now.saturating_add(u64::try_from(left).unwrap_or(0));
        let Some(is_news) = account.lock().adopt(hold, deadline) else { return };
        self.queue.take_place();
        self.hand_over(id, account);
        if is_news {
            self.note_active(account);
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { at: self.clock.now(), now: self.clock.elapsed_millis() }
    }
}

pub(super) fn unavailable() -> Refusal {
    Refusal::Plain(Code::EnforcementUnavailable)
}
