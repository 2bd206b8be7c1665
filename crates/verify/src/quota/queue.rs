//! Charges on their way to the ledger.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_core::quota::{BudgetTime, Charge, Settlement};
use keystile_core::{HoldId, TenantId};
use parking_lot::Mutex;

use super::account::Account;

/// Most holds that are open or charged and not written: a minute of 1,600 requests a second while the store is away, at about half a kilobyte
/// each. Each hold has a place from its beginning, so that no charge is ever dropped: when there is none left, new holds are
/// refused.
pub const CHARGES_WAITING: usize = 100_000;

/// What waits, in the order in which it was charged.
#[derive(Default)]
pub(super) struct Queue {
    places: AtomicUsize,
    /// Charges that were taken out and have not landed.
    in_flight: AtomicUsize,
    rows: Mutex<VecDeque<Queued>>,
}

/// A charge, and whose account has to hear that it was written.
pub(super) struct Queued {
    pub(super) settlement: Settlement,
    pub(super) paid: Paid,
}

/// What an account has to hear when its charge is written.
pub(super) struct Paid {
    pub(super) account: Arc<Account>,
    pub(super) budget: Option<BudgetTime>,
    pub(super) charge: Charge,
    /// Whether another server may have charged the hold before, so that this one is not written.
    pub(super) is_contested: bool,
    pub(super) asked: Asked,
}

/// Who may ask once more for what became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whoever had it in hand, and has no more to do with it.
    ByNobody,
    /// Whoever knows its id.
    ById,
}

impl Queue {
    /// Whether a hold that was opened now could perhaps not be written.
    pub(super) fn is_full(&self) -> bool {
        self.places.load(Ordering::Relaxed) >= CHARGES_WAITING
    }

    /// A hold was opened. Of many who do this at once each may go one beyond the bound.
    pub(super) fn take_place(&self) {
        self.places.fetch_add(1, Ordering::Relaxed);
    }

    /// A hold has ended without a charge.
    pub(super) fn leave_place(&self) {
        self.places.fetch_sub(1, Ordering::Relaxed);
    }

    /// Charges that were taken out are written, or given up.
    pub(super) fn land(&self, count: usize) {
        self.in_flight.fetch_sub(count, Ordering::Relaxed);
        self.places.fetch_sub(count, Ordering::Relaxed);
    }

    pub(super) fn push(&self, queued: Queued) {
        self.rows.lock().push_back(queued);
    }

    /// The first of them, at most `most`.
    pub(super) fn take(&self, most: usize) -> Vec<Queued> {
        let mut rows = self.rows.lock();
        let count = rows.len().min(most);
        self.in_flight.fetch_add(count, Ordering::Relaxed);
        rows.drain(..count).collect()
    }

    /// How many are not written, those that are under way included.
    pub(super) fn len(&self) -> usize {
        let rows = self.rows.lock();
        rows.len() + self.in_flight.load(Ordering::Relaxed)
    }

    /// Looks at all that were not taken out.
    pub(super) fn for_each(&self, look: impl FnMut(&Queued)) {
        self.rows.lock().iter().for_each(look);
    }

    /// Whether the charge of this hold waits.
    pub(super) fn has(&self, tenant_id: TenantId, id: HoldId) -> bool {
        let is_it = |queued: &Queued| {
            let entry = &queued.settlement.entry;
            entry.hold_id == Some(id) && entry.whose.tenant_id == tenant_id
        };
        self.rows.lock().iter().any(is_it)
    }
}
