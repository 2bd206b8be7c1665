//! What a request to an upstream costs: held before it is sent, read off the answer, and settled once, whatever happens.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use keystile_core::NanoUsd;
use keystile_core::llm::{Consumption, Upstream};
use keystile_core::quota::Basis;
use keystile_verify::{Hold, Settled};
use parking_lot::Mutex;

use crate::stats::Counts;
use crate::usage::Reading;

/// How far a request has come, which decides what it is charged if it goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing was done for it: it costs nothing.
    Undone,
    /// It was sent: it costs what its answer says, and what it can have cost at most as far as that says nothing.
    Sent,
}

/// One request to one upstream.
pub(crate) struct Bill {
    /// `None` when it is settled.
    hold: Option<Hold>,
    reading: Reading,
    upstream: Arc<Upstream>,
    counts: Arc<Counts>,
    progress: Progress,
}

impl Bill {
    pub(crate) const fn new(
        hold: Hold,
        reading: Reading,
        upstream: Arc<Upstream>,
        counts: Arc<Counts>,
    ) -> Self {
        Self { hold: Some(hold), reading, upstream, counts, progress: Progress::Undone }
    }

    fn settle(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        match self.progress {
            Progress::Undone => hold.release(),
            Progress::Sent => {
                let (used, basis) = self.reading.used();
                self.counts.used(&used);
                hold.settle(settled(&self.upstream, used, basis));
            }
        }
    }
}

fn settled(upstream: &Upstream, used: Consumption, basis: Basis) -> Settled {
    let model = &upstream.model;
    Settled {
        used,
        cost: model.price.as_ref().map_or(NanoUsd::ZERO, |price| price.cost(&used)),
        basis,
        model: model.name.as_str().into(),
        provider_id: Some(upstream.provider.id),
        price_version: model.price.is_some().then_some(model.price_version),
    }
}

/// All bills that are open, so that they can be settled when the server stops. Their number is bounded by that of requests: each has
/// one at a time.
#[derive(Default)]
pub(crate) struct Bills {
    open: Mutex<HashMap<u64, Arc<Mutex<Bill>>>>,
    next: AtomicU64,
    is_closed: AtomicBool,
}

/// An open bill in the hands of whoever moves the answer. It is settled when the value is dropped, also by a panic.
pub(crate) struct Tab {
    bills: Arc<Bills>,
    number: u64,
    bill: Arc<Mutex<Bill>>,
}

impl Bills {
    /// Opens a bill; `None`, and nothing is charged, when the server has stopped.
    pub(crate) fn open(self: &Arc<Self>, bill: Bill) -> Option<Tab> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let tab = Tab { bills: Arc::clone(self), number, bill: Arc::new(Mutex::new(bill)) };
        let mut open = self.open.lock();
        // Looked at under the lock: whoever settles all finds this one, or this one sees that all are settled.
        if self.is_closed.load(Ordering::Relaxed) {
            drop(open);
            return None;
        }
        open.insert(number, Arc::clone(&tab.bill));
        drop(open);
        Some(tab)
    }

    /// Settles what is open, and opens no more. Tells how many that were.
    pub(crate) fn close(&self) -> usize {
        let open = {
            let mut open = self.open.lock();
            self.is_closed.store(true, Ordering::Relaxed);
            std::mem::take(&mut *open)
        };
        open.values().for_each(|bill| bill.lock().settle());
        open.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.open.lock().len()
    }
}

impl Tab {
    /// From now on the upstream may have done what it is asked. Tells whether it may be asked at all: not if the bill was settled meanwhile,
    /// as nobody would pay.
    #[must_use = "nobody pays for what is sent when the bill was settled"]
    pub(crate) fn sent(&self) -> bool {
        let mut bill = self.bill.lock();
        bill.progress = Progress::Sent;
        bill.hold.is_some()
    }

    /// Nothing was done for it after all.
    pub(crate) fn not_done(&self) {
        self.bill.lock().progress = Progress::Undone;
    }

    /// Reads a part of the answer; `None` if the bill was settled meanwhile, so that nothing more may be passed on.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&mut Reading) -> T) -> Option<T> {
        let mut bill = self.bill.lock();
        bill.hold.is_some().then(|| read(&mut bill.reading))
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.bill.lock().settle();
        self.bills.open.lock().remove(&self.number);
    }
}
