//! An authority of budgets in memory that can be slow, away, or watched.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_core::llm::Consumption;
use keystile_core::quota::{
    Basis, BudgetTime, LeaseAsk, LeaseTruth, Leased, LedgerEntry, LedgerKind, OpenHold, QuotaBatch,
};
use keystile_core::{HoldId, KeyId, LedgerId, NanoUsd};
use keystile_verify::{BoxFuture, Budgets, NotWritten, SourceUnavailable};
use parking_lot::Mutex;

use crate::source::Mood;

/// One server is all that leases.
#[derive(Default)]
pub(crate) struct FakeBudgets {
    state: Mutex<State>,
    mood: Mutex<Option<Mood>>,
    refuses: Mutex<Refuses>,
    /// The next write of this hold's charge succeeds, and its answer is lost.
    unanswered: Mutex<Option<HoldId>>,
    given_up: Mutex<Vec<HoldId>>,
    leases: AtomicUsize,
    writes: AtomicUsize,
}

/// What it refuses to write.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refuses {
    #[default]
    Nothing,
    /// The charge of this hold, that it is open, and whatever comes with it.
    Hold(HoldId),
    /// Charges that cost just so much, and whatever comes with them.
    Costing(NanoUsd),
    Everything,
}

#[derive(Default)]
struct State {
    periods: HashMap<(KeyId, BudgetTime), Period>,
    ledger: Vec<LedgerEntry>,
    open: HashMap<HoldId, OpenHold>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Period {
    pub(crate) spent: i64,
    pub(crate) leased: i64,
}

impl FakeBudgets {
    pub(crate) fn become_so(&self, mood: Mood) {
        *self.mood.lock() = Some(mood);
    }

    pub(crate) fn refuse(&self, what: Refuses) {
        *self.refuses.lock() = what;
    }

    /// The next write of this hold's charge succeeds, and its answer is lost.
    pub(crate) fn lose_answer(&self, hold: HoldId) {
        *self.unanswered.lock() = Some(hold);
    }

    /// The holds whose charges were given up.
    pub(crate) fn given_up(&self) -> Vec<HoldId> {
        self.given_up.lock().clone()
    }

    /// How often something was to be written.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// What was written to the ledger, in its order.
    pub(crate) fn ledger(&self) -> Vec<LedgerEntry> {
        self.state.lock().ledger.clone()
    }

    /// The holds that are written as open.
    pub(crate) fn open(&self) -> Vec<HoldId> {
        self.state.lock().open.keys().copied().collect()
    }

    /// A hold that is written as open.
    pub(crate) fn open_hold(&self, id: HoldId) -> OpenHold {
        self.state.lock().open[&id].clone()
    }

    /// Another server, which has taken up the hold and its lease, charges it so much.
    pub(crate) fn charge_elsewhere(&self, id: HoldId, cost: NanoUsd) {
        let mut state = self.state.lock();
        let hold = state.open.remove(&id).unwrap();
        let (lineage_id, time) = hold.whose.lineage_id.zip(hold.budget).unwrap();
        state.ledger.push(LedgerEntry {
            id: LedgerId::from_parts(hold.opened_at, id.as_u128()),
            kind: LedgerKind::Charge,
            whose: hold.whose,
            at: hold.opened_at,
            opened_at: hold.opened_at,
            hold_id: Some(id),
            model: hold.model,
            provider_id: None,
            price_version: None,
            basis: Some(Basis::Counted),
            used: Consumption::default(),
            held: hold.cost,
            tokens_held: Some(hold.tokens),
            cost,
            request_id: hold.request_id,
            corrects: None,
            reason: None,
            by: None,
        });
        state.periods.get_mut(&(lineage_id, time)).unwrap().spent += cost.as_nanos();
    }

    /// The only period that there is.
    pub(crate) fn period(&self) -> Period {
        let state = self.state.lock();
        assert_eq!(state.periods.len(), 1);
        *state.periods.values().next().unwrap()
    }

    /// All periods, each with its first day.
    pub(crate) fn periods(&self) -> Vec<(String, Period)> {
        let state = self.state.lock();
        let mut all: Vec<_> = state
            .periods
            .iter()
            .map(|((_, time), period)| (format!("{} {}", time.period, time.first_day), *period))
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// How often a part of a budget was asked for.
    pub(crate) fn leases(&self) -> usize {
        self.leases.load(Ordering::Relaxed)
    }

    fn refuses(&self, batch: &QuotaBatch) -> bool {
        match *self.refuses.lock() {
            Refuses::Nothing => false,
            Refuses::Everything => true,
            Refuses::Costing(cost) => batch.settled.iter().any(|settlement| settlement.entry.cost == cost),
            Refuses::Hold(bad) => {
                let charged = batch.settled.iter().filter_map(|settlement| settlement.entry.hold_id);
                charged.chain(batch.opened.iter().map(|hold| hold.id)).any(|id| id == bad)
            }
        }
    }

    async fn misbehave(&self) -> Result<(), SourceUnavailable> {
        let mood = *self.mood.lock();
        match mood.unwrap_or(Mood::Well) {
            Mood::Well => Ok(()),
            Mood::Failing => Err(SourceUnavailable),
            Mood::Panicking => panic!("asked to"),
            Mood::Hanging => std::future::pending().await,
        }
    }
}

impl State {
    fn lease(&mut self, ask: &LeaseAsk) -> Leased {
        let time = BudgetTime { period: ask.budget.period, first_day: ask.span.first_day() };
        let others: i64 = self
            .periods
            .iter()
            .filter(|((lineage, other), _)| *lineage == ask.lineage_id && *other != time)
            .filter(|((_, other), _)| {
                let span = other.period.span_at(other.first_day.start());
                span.first_day() < ask.span.end_day() && span.end_day() > ask.span.first_day()
            })
            .map(|(_, period)| period.leased)
            .sum();
        let period = self.periods.entry((ask.lineage_id, time)).or_default();
        period.leased -= ask.returned.as_nanos();
        let left = ask.budget.max.as_nanos() - period.spent - period.leased - others - ask.debt.as_nanos();
        let granted = if left < ask.least.as_nanos() { 0 } else { ask.wanted.as_nanos().min(left).max(0) };
        period.leased += granted;
        Leased {
            granted: NanoUsd::from_nanos(granted),
            spent: NanoUsd::from_nanos(period.spent),
            own: NanoUsd::from_nanos(period.leased),
            others: NanoUsd::from_nanos(others),
        }
    }

    fn write(&mut self, batch: &QuotaBatch) {
        for settlement in &batch.settled {
            let entry = &settlement.entry;
            self.open.remove(&entry.hold_id.unwrap());
            if self.ledger.iter().any(|known| known.hold_id == entry.hold_id) {
                continue;
            }
            self.ledger.push(entry.clone());
            if let (Some(lineage_id), Some(time)) = (entry.whose.lineage_id, settlement.budget) {
                let period = self.periods.entry((lineage_id, time)).or_default();
                period.leased -= settlement.from_lease.as_nanos();
                period.spent += entry.cost.as_nanos();
            }
        }
        for hold in &batch.released {
            self.open.remove(hold);
        }
        self.open.extend(batch.opened.iter().map(|hold| (hold.id, hold.clone())));
    }
}

impl Budgets for FakeBudgets {
    fn lease(&self, ask: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>> {
        Box::pin(async move {
            self.leases.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            self.misbehave().await?;
            Ok(self.state.lock().lease(&ask))
        })
    }

    fn write(&self, batch: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), NotWritten>> {
        Box::pin(async move {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.misbehave().await.map_err(|SourceUnavailable| NotWritten::Unavailable)?;
            if self.refuses(&batch) {
                return Err(NotWritten::Refused);
            }
            self.state.lock().write(&batch);
            let charges = |id: HoldId| batch.settled.iter().any(|one| one.entry.hold_id == Some(id));
            let is_lost = self.unanswered.lock().take_if(|id| charges(*id)).is_some();
            if is_lost { Err(NotWritten::Unavailable) } else { Ok(()) }
        })
    }

    fn give_up(&self, batch: &QuotaBatch) {
        self.given_up.lock().extend(batch.settled.iter().filter_map(|settlement| settlement.entry.hold_id));
    }

    fn true_up(&self, truth: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.misbehave().await?;
            let mut state = self.state.lock();
            state.periods.entry((truth.lineage_id, truth.time)).or_default().leased = truth.leased.as_nanos();
            Ok(())
        })
    }
}
