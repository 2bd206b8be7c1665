//! Who answers for budgets, and keeps what was charged.

use std::sync::Arc;

use keystile_core::quota::{LeaseAsk, LeaseTruth, Leased, Mark, QuotaBatch};

use crate::source::{BoxFuture, SourceUnavailable};

/// Why a batch is not known to be written. Its cause is logged by whoever implements [`Budgets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// The authority cannot be reached now, or has not answered in time.
    #[error("the ledger cannot be reached now")]
    Unavailable,
    /// It does not take what it was given, and has written nothing of it.
    #[error("the ledger refuses what it was given")]
    Refused,
}

/// The authority of budgets. For each period of each budget it keeps `spent + leased ≤ max`, whatever happens at the same time.
pub trait Budgets: Send + Sync + 'static {
    /// Stands in the ids of all holds of this process, so that others know whose they are. Where there are no others it may be any.
    fn mark(&self) -> Mark {
        Mark::default()
    }

    /// Leases a part of a budget, if at least what is needed of it is left. It goes on when nobody waits for it any more, and its answer is
    /// heard whenever it comes.
    ///
    /// # Errors
    /// When nothing is known to be leased. It may be so all the same: [`Self::true_up`] is called before long.
    fn lease(&self, ask: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>>;

    /// Writes what was charged, at most [`crate::ROWS_PER_BATCH`] charges, and which holds are open. A batch whose write failed, or
    /// took too long, is offered again and again: each charge must be written once, also if an earlier write of it is under way or
    /// has succeeded. What is refused is offered again in halves.
    ///
    /// # Errors
    /// When it is not known to be written.
    fn write(&self, batch: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), NotWritten>>;

    /// One charge that was refused on its own again and again while others were taken, or one hold that cannot be noted as open: it is not
    /// offered any more. What a lease stands for stays leased. To be told in full to whoever can see to it, as nothing else remembers it.
    fn give_up(&self, batch: &QuotaBatch);

    /// Corrects what is noted as leased by this process. It is called while nothing is being leased or written of the same budget.
    ///
    /// # Errors
    /// When it is not known to be written; it is called again then.
    fn true_up(&self, truth: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>>;
}

/// For a verifier that was given no authority: it refuses whatever needs one.
pub(crate) struct NoBudgets;

impl Budgets for NoBudgets {
    fn lease(&self, _: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>> {
        Box::pin(async { Err(SourceUnavailable) })
    }

    fn write(&self, _: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), NotWritten>> {
        Box::pin(async { Err(NotWritten::Unavailable) })
    }

    /// It refuses nothing, as it never answers.
    fn give_up(&self, _: &QuotaBatch) {}

    fn true_up(&self, _: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async { Err(SourceUnavailable) })
    }
}
