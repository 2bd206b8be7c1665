//! Writing what was charged, and telling the authority what is not needed any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystile_core::NanoUsd;
use keystile_core::quota::{Budget, BudgetTime, QuotaBatch};
use tokio::sync::OwnedMutexGuard;

use super::Quota;
use super::account::Account;
use super::flight::{Flight, Writing};
use super::leasing::LEASE_TIMEOUT;
use super::port::NotWritten;
use super::queue::{CHARGES_WAITING, Paid};
use crate::source::SourceUnavailable;

/// Most charges in one write, and most holds that are written as open with them: the cost per row no longer falls beyond it, and a database
/// with one writer is not held up.
pub const ROWS_PER_BATCH: usize = 1_000;
/// Most batches in one round: each hold has a place, so no more charges can wait, or holds be open, than these have room for.
const MOST_BATCHES: usize = 2 * CHARGES_WAITING / ROWS_PER_BATCH;
/// Most leases that are given back in one round, each by a write of its own. When a day ends there can be as many as there are keys; they
/// wait for nobody.
pub const LEASES_PER_ROUND: usize = 200;
/// Longest one write may take before it is offered again.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// Most batches in a row that may be refused in one round: a charge that is refused needs eleven to be found among a thousand, and whoever
/// refuses everything is not asked for each of them at once.
const MOST_REFUSED: usize = 64;
/// Most that is offered again in one round of what was refused on its own, each by a write of its own.
const AGAIN_PER_ROUND: usize = 500;
/// In so many rounds a charge is offered again before it is given up: what is wrong may be mended within seconds.
const MOST_TRIES: u8 = 10;

/// Which leases are given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// Those that nobody has used lately.
    Idle,
    /// All that is not held, because the process stops.
    All,
}

impl Quota {
    /// Charges what is overdue and writes all that is pending by now, in batches; stops at the first that cannot be written now, which is
    /// kept for later. What comes in meanwhile is left to the next time, as there may be no end of it.
    pub(crate) async fn flush(&self) -> Result<(), SourceUnavailable> {
        let begun = self.rounds.load(Ordering::Relaxed);
        let mut writing = self.flushing.lock().await;
        if writing.round > begun {
            // Of many who wait, one round has written what was pending for all.
            return Ok(());
        }
        let written = self.write_pending(&mut writing).await;
        self.note_failure(written)
    }

    /// The same, offers again what was refused, and then gives leases back that are not needed.
    pub(crate) async fn settle_up(&self, what: Return) -> Result<(), SourceUnavailable> {
        let mut writing = self.flushing.lock().await;
        let written = self.write_all(&mut writing, what).await;
        self.note_failure(written)?;
        // Nothing is in the air now, so that what the authority has noted is what is here.
        self.true_up(what).await
    }

    fn note_failure(&self, written: Result<(), SourceUnavailable>) -> Result<(), SourceUnavailable> {
        if written.is_err() {
            self.failed_flushes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    async fn write_all(&self, writing: &mut Writing, what: Return) -> Result<(), SourceUnavailable> {
        self.write_pending(writing).await?;
        self.offer_again(writing, what).await
    }

    async fn write_pending(&self, writing: &mut Writing) -> Result<(), SourceUnavailable> {
        let round = self.rounds.fetch_add(1, Ordering::Relaxed) + 1;
        self.charge_overdue();
        self.write_flights(writing).await?;
        let mut left = self.queue.len();
        for _ in 0..MOST_BATCHES {
            let charges = left.min(ROWS_PER_BATCH);
            left -= charges;
            let Some(next) = self.next_flight(charges, left == 0) else { break };
            let is_last = left == 0 && !next.is_full_of_notes();
            writing.flights.push_back(next);
            self.write_flights(writing).await?;
            if is_last {
                break;
            }
        }
        writing.round = round;
        Ok(())
    }

    /// Offers batch after batch; what is refused is offered again in halves.
    async fn write_flights(&self, writing: &mut Writing) -> Result<(), SourceUnavailable> {
        let mut refused = 0;
        while let Some(first) = writing.flights.front() {
            match self.write(Arc::clone(&first.batch)).await {
                Ok(()) => {
                    refused = 0;
                    if let Some(landed) = writing.flights.pop_front() {
                        writing.takes_charges |= landed.has_charges();
                        self.land(landed);
                    }
                }
                Err(NotWritten::Unavailable) => return Err(SourceUnavailable),
                Err(NotWritten::Refused) => {
                    writing.split_first();
                    refused += 1;
                    if refused == MOST_REFUSED {
                        return Err(SourceUnavailable);
                    }
                }
            }
        }
        Ok(())
    }

    /// Offers again what was refused on its own, a part of it in each round, and gives up what was refused often enough. While no charge is
    /// taken it is not one of them that is at fault. To be called when all batches have landed.
    async fn offer_again(&self, writing: &mut Writing, what: Return) -> Result<(), SourceUnavailable> {
        if !std::mem::take(&mut writing.takes_charges) {
            return Ok(());
        }
        let mut refused = 0;
        for _ in 0..writing.aside.len().min(AGAIN_PER_ROUND) {
            if refused == MOST_REFUSED {
                break;
            }
            let Some(again) = writing.aside.pop_front() else { break };
            if again.is_note() {
                // That a hold is open is only noted for the case that this process is killed, and may be untrue by now.
                self.give_up(&again, writing);
                continue;
            }
            let batch = Arc::clone(&again.batch);
            // As long as nobody knows whether it is written, it comes before all others.
            writing.flights.push_front(again);
            let written = self.write(batch).await;
            if written == Err(NotWritten::Unavailable) {
                return Err(SourceUnavailable);
            }
            let Some(offered) = writing.flights.pop_front() else { break };
            if written.is_ok() {
                writing.takes_charges |= offered.has_charges();
                self.land(offered);
            } else {
                refused += 1;
                self.refused_again(offered, writing, what);
            }
        }
        // That holds are open no more of which charges were given up.
        self.write_flights(writing).await
    }

    /// It is offered once more in a later round, unless it is a charge that was refused in many, or there will be none. That a hold is open no
    /// more has to be written some time: else it would be charged in full after the next start.
    fn refused_again(&self, mut flight: Flight, writing: &mut Writing, what: Return) {
        flight.tries = flight.tries.saturating_add(1);
        let is_over = flight.tries >= MOST_TRIES || what == Return::All;
        if flight.has_charges() && is_over {
            self.give_up(&flight, writing);
        } else {
            writing.aside.push_back(flight);
        }
    }

    /// What is to be written next, if there is anything, with so many of the charges that wait. Which holds are open is noted with the last of
    /// them: most of those that are open before it are charged with the next.
    fn next_flight(&self, charges: usize, is_last: bool) -> Option<Flight> {
        let queued = self.queue.take(charges);
        let (settled, paid) = queued.into_iter().map(|queued| (queued.settlement, queued.paid)).unzip();
        let (mut opened, mut released) = (Vec::new(), Vec::new());
        for account in self.active() {
            let mut inner = account.lock();
            if is_last {
                opened.extend(inner.take_opened(ROWS_PER_BATCH.saturating_sub(opened.len())));
            }
            released.extend(inner.take_released());
        }
        let batch = QuotaBatch { settled, opened, released };
        (!batch.is_empty()).then(|| Flight::new(batch, paid))
    }

    /// A task of its own, so that a source that panics does not end the flushing.
    async fn write(&self, batch: Arc<QuotaBatch>) -> Result<(), NotWritten> {
        let budgets = Arc::clone(&self.budgets);
        let write = tokio::spawn(async move {
            let written = tokio::time::timeout(WRITE_TIMEOUT, budgets.write(batch)).await;
            written.unwrap_or(Err(NotWritten::Unavailable))
        });
        write.await.unwrap_or(Err(NotWritten::Unavailable))
    }

    /// Its account does not hear of it: what was leased for it counts as spent as long as this process lives, and is lost to its budget when the
    /// next one takes up what this one has left. That would charge the hold as well if it went on being written as open, or its caller
    /// would settle it anew.
    fn give_up(&self, flight: &Flight, writing: &mut Writing) {
        self.budgets.give_up(&flight.batch);
        self.forget_ended(flight);
        self.given_up.fetch_add(flight.paid.len() as u64, Ordering::Relaxed);
        self.queue.land(flight.paid.len());
        let released = flight.noted();
        if !released.is_empty() {
            let batch = QuotaBatch { released, ..QuotaBatch::default() };
            writing.flights.push_back(Flight::new(batch, Vec::new()));
        }
    }

    fn land(&self, flight: Flight) {
        self.forget_ended(&flight);
        self.queue.land(flight.paid.len());
        for Paid { account, budget, charge, is_contested, asked: _ } in flight.paid {
            account.lock().note_written(budget, charge, is_contested);
        }
    }

    /// Whoever asks for what became of these holds is told by the ledger.
    fn forget_ended(&self, flight: &Flight) {
        let ended = flight.asked_about();
        if ended.is_empty() {
            return;
        }
        let mut handed = self.handed.lock();
        ended.iter().for_each(|id| handed.forget_ended(*id));
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
        let writing = self.flushing.lock().await;
        if !writing.flights.is_empty() {
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
