//! Batches on their way to the ledger, and what is refused of them.

use std::collections::VecDeque;
use std::sync::Arc;

use keystile_core::HoldId;
use keystile_core::quota::QuotaBatch;

use super::flush::ROWS_PER_BATCH;
use super::queue::{Asked, Paid};

/// What was taken to be written, and is not known to be.
#[derive(Default)]
pub(super) struct Writing {
    /// Batches, in the order in which they are offered.
    pub(super) flights: VecDeque<Flight>,
    /// What was refused on its own, and is known not to be written; what was offered longest ago comes first. Each charge has its place until
    /// it is written or given up, so there are no more of them than places.
    pub(super) aside: VecDeque<Flight>,
    /// Whether any charge was taken since something of that was offered again.
    pub(super) takes_charges: bool,
    /// The last round that has written all that was pending when it began.
    pub(super) round: u64,
}

/// A batch, and who has to hear that it is written.
pub(super) struct Flight {
    pub(super) batch: Arc<QuotaBatch>,
    /// One for each charge of the batch, in their order.
    pub(super) paid: Vec<Paid>,
    /// In how many rounds it was refused on its own while other charges were taken.
    pub(super) tries: u8,
}

impl Writing {
    /// The first batch was refused: two halves take its place. What cannot be halved is put aside.
    pub(super) fn split_first(&mut self) {
        let Some(refused) = self.flights.pop_front() else { return };
        match refused.into_halves() {
            Ok([first, second]) => {
                self.flights.push_front(second);
                self.flights.push_front(first);
            }
            Err(whole) => self.aside.push_back(whole),
        }
    }
}

impl Flight {
    pub(super) fn new(batch: QuotaBatch, paid: Vec<Paid>) -> Self {
        Self { batch: Arc::new(batch), paid, tries: 0 }
    }

    /// Whether more holds may be open than it had room to note.
    pub(super) fn is_full_of_notes(&self) -> bool {
        self.batch.opened.len() >= ROWS_PER_BATCH
    }

    /// Whether anything is charged by it.
    pub(super) fn has_charges(&self) -> bool {
        !self.batch.settled.is_empty()
    }

    /// The holds of its charges that are, or may be, written as open.
    pub(super) fn noted(&self) -> Vec<HoldId> {
        let noted = self.batch.settled.iter().filter(|settlement| settlement.is_noted);
        noted.filter_map(|settlement| settlement.entry.hold_id).collect()
    }

    /// The holds of its charges of which somebody may ask for what became of them.
    pub(super) fn asked_about(&self) -> Vec<HoldId> {
        let charges = self.batch.settled.iter().zip(&self.paid);
        let asked = charges.filter(|(_, paid)| paid.asked == Asked::ById);
        asked.filter_map(|(settlement, _)| settlement.entry.hold_id).collect()
    }

    /// Whether it only notes that holds are open.
    pub(super) fn is_note(&self) -> bool {
        self.batch.settled.is_empty() && self.batch.released.is_empty()
    }

    /// Two batches of it, neither of them empty: ids first, then charges, then holds. All of it, if it is a single row.
    fn into_halves(self) -> Result<[Self; 2], Self> {
        let (charges, holds) = (self.batch.settled.len(), self.batch.opened.len());
        let has_released = !self.batch.released.is_empty();
        let (charges_first, holds_first) = match (has_released, charges, holds) {
            (true, 0, 0) | (false, 0 | 1, 0) | (false, 0, 1) => return Err(self),
            (true, _, _) => (0, 0),
            (false, _, 0) => (charges / 2, 0),
            (false, 0, _) => (0, holds / 2),
            (false, _, _) => (charges, 0),
        };
        let Self { batch, mut paid, .. } = self;
        let mut first = Arc::unwrap_or_clone(batch);
        let second = QuotaBatch {
            settled: first.settled.split_off(charges_first),
            opened: first.opened.split_off(holds_first),
            released: Vec::new(),
        };
        let paid_second = paid.split_off(charges_first);
        Ok([Self::new(first, paid), Self::new(second, paid_second)])
    }
}
