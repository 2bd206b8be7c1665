//! What was charged, in rows that are never changed.

use crate::invalid::text_enum;
use crate::llm::Consumption;
use crate::quota::{Basis, Whose};
use crate::{Actor, HoldId, LedgerId, NanoUsd, ProviderId, Timestamp};

text_enum!(
    /// What a row of the ledger says.
    LedgerKind {
        /// A request was charged.
        Charge = "charge",
        /// A server ended without telling what became of this part of its lease. It counts as spent until somebody corrects it.
        Lost = "lost",
        /// Somebody corrected another row.
        Correction = "correction",
    }
);

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Names it; made of the moment at which it was charged.
    pub id: LedgerId,
    /// What it says.
    pub kind: LedgerKind,
    /// Whom it is charged to. What was lost is charged to the first key of the lineage.
    pub whose: Whose,
    /// When it was charged.
    pub at: Timestamp,
    /// When the request began; the period in which that is pays for it.
    pub opened_at: Timestamp,
    /// The hold that was settled; each is settled once.
    pub hold_id: Option<HoldId>,
    /// The model that was used; empty if that is not known.
    pub model: Box<str>,
    /// Who served it.
    pub provider_id: Option<ProviderId>,
    /// Which version of the model's price was applied.
    pub price_version: Option<u32>,
    /// What a charge rests on.
    pub basis: Option<Basis>,
    /// What was used.
    pub used: Consumption,
    /// What was held.
    pub held: NanoUsd,
    /// Tokens that were held; `None` if that is not known, as of rows that an earlier version has written.
    pub tokens_held: Option<u64>,
    /// What is charged; of a correction the difference, which may be below nothing.
    pub cost: NanoUsd,
    /// The request.
    pub request_id: Box<str>,
    /// The row that a correction refers to.
    pub corrects: Option<LedgerId>,
    /// Why somebody corrected it, or settled it in another's place.
    pub reason: Option<Box<str>>,
    /// Who that was.
    pub by: Option<Actor>,
}
