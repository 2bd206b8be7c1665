//! Writing what was charged, and telling the authority what is not needed any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystile_core::NanoUsd;
use keystile_core::quota::{Budget, BudgetTime, QuotaBatch};
use tokio::sync::OwnedMutexGuard;

use super::Quota;
use super::account::Account;
use super::leasing::LEASE_TIMEOUT;
use super::queue::Paid;
use crate::source::SourceUnavailable;

/// Most charges in one write, and most holds that are written as open with them: the cost per row no longer falls beyond it, and a database
/// with one writer is not held up.
pub const ROWS_PER_BATCH: usize = 1_000;
/// Most leases that are given back in one round, each by a write of its own. When a day ends there can be as many as there are keys; they
/// wait for nobody.
pub const LEASES_PER_ROUND: usize = 200;
/// Longest one write may take before it is offered again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Which leases are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// Those that nobody has used lately.
    Idle,
    /// All that is not held, because the process stops.
    All,
}

/// A batch that was offered and is not known to be written.
pub(super) struct Flight {
    batch: Arc<QuotaBatch>,
    paid: Vec<Paid>,
}

impl Flight {
    /// Whether more may wait than had room in it.
    fn is_full(&self) -> bool {
        self.batch.settled.len() >= ROWS_PER_BATCH || self.batch.opened.len() >= ROWS_PER_BATCH
    }
}

impl Quota {
    /// Charges what is overdue and writes all that is pending by now, in batches; stops at the first that fails, which is kept for later. What
    /// comes in meanwhile is left to the next time, as there may be no end of it.
    pub(crate) async fn flush(&self) -> Result<(), SourceUnavailable> {
        let mut flight = self.flushing.lock().await;
        self.write_all(&mut flight).await
    }

    /// The same, and then gives leases back that are not needed.
    pub(crate) async fn settle_up(&self, what: Return) -> Result<(), SourceUnavailable> {
        let mut flight = self.flushing.lock().await;
        self.write_all(&mut flight).await?;
        // Nothing is in the air now, so that what the authority has noted is what is here.
        self.true_up(what).await
    }

    async fn write_all(&self, flight: &mut Option<Flight>) -> Result<(), SourceUnavailable> {
        self.charge_overdue();
        loop {
            let is_old = flight.is_some();
            if !is_old {
                *flight = self.next_flight();
            }
            let Some(current) = flight.as_ref() else { return Ok(()) };
            // One that was made now and has room left has all that was pending.
            let is_last = !is_old && !current.is_full();
            if self.write(Arc::clone(&current.batch)).await.is_err() {
                self.failed_flushes.fetch_add(1, Ordering::Relaxed);
                return Err(SourceUnavailable);
            }
            if let Some(landed) = flight.take() {
                self.land(landed);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What is to be written next, if there is anything.
    fn next_flight(&self) -> Option<Flight> {
        let queued = self.queue.take(ROWS_PER_BATCH);
        let (settled, paid) = queued.into_iter().map(|queued| (queued.settlement, queued.paid)).unzip();
        let (mut opened, mut released) = (Vec::new(), Vec::new());
        for account in self.active() {
            let mut inner = account.lock();
            opened.extend(inner.take_opened(ROWS_PER_BATCH.saturating_sub(opened.len())));
            released.extend(inner.take_released());
        }
        let batch = QuotaBatch { settled, opened, released };
        (!batch.is_empty()).then(|| Flight { batch: Arc::new(batch), paid })
    }

    /// A task of its own, so that a source that panics does not end the flushing.
    async fn write(&self, batch: Arc<QuotaBatch>) -> Result<(), SourceUnavailable> {
        let budgets = Arc::clone(&self.budgets);
        let write = tokio::spawn(async move {
            tokio::time::timeout(WRITE_TIMEOUT, budgets.write(batch)).await.unwrap_or(Err(SourceUnavailable))
        });
        write.await.unwrap_or(Err(SourceUnavailable))
    }

    fn land(&self, flight: Flight) {
        self.queue.leave_places(flight.paid.len());
        for Paid { account, budget, charge } in flight.paid {
            account.lock().note_written(budget, charge);
        }
    }

    /// Tells the authority what is really leased, where that differs from what it has noted.
    async fn true_up(&self, what: Return) -> Result<(), SourceUnavailable> {
        let mut left = LEASES_PER_ROUND;
        let mut told = Ok(());
        for account in self.active() {
            if what == Return::Idle && left == 0 {
                break;
            }
            let Some(turn) = turn_of(&account, what).await else { continue };
            let all = what == Return::All;
            let most = if all { usize::MAX } else { left };
            let truths = account.lock().truths(self.moment(), all, most);
            left = left.saturating_sub(truths.len());
            for (time, leased) in truths {
                told = told.and(self.note_truth(&account, time, leased).await);
            }
            drop(turn);
        }
        self.forget_settled();
        told
    }

    /// Gives back what is free of other periods, after the period of a budget was changed. To be called by who has the turn.
    pub(super) async fn return_beside(&self, account: &Account, budget: Budget) {
        if !account.lock().has_free_beside(budget, self.moment()) {
            return;
        }
        let flight = self.flushing.lock().await;
        if flight.is_some() {
            // What the authority has noted is not known. It is given back later.
            return;
        }
        let truths = account.lock().truths_beside(budget, self.moment());
        for (time, leased) in truths {
            // What is not noted now is noted with the next round.
            let _later = self.note_truth(account, time, leased).await;
        }
    }

    async fn note_truth(
        &self,
        account: &Account,
        time: BudgetTime,
        leased: NanoUsd,
    ) -> Result<(), SourceUnavailable> {
        let known = match account.truth(time, leased) {
            Some(truth) => self.budgets.true_up(truth).await,
            None => Ok(()),
        };
        account.lock().note_truth(time, known.is_ok());
        known
    }

    /// Accounts that nobody has to come back to are active no more.
    fn forget_settled(&self) {
        let at = self.clock.now();
        self.active.lock().retain(|account| account.lock().stays_active(at));
    }
}

/// Whoever leases for this account at the moment is left alone, but at the end waited for.
async fn turn_of(account: &Account, what: Return) -> Option<OwnedMutexGuard<()>> {
    let turn = Arc::clone(&account.turn);
    match what {
        Return::Idle => turn.try_lock_owned().ok(),
        Return::All => tokio::time::timeout(LEASE_TIMEOUT, turn.lock_owned()).await.ok(),
    }
}
