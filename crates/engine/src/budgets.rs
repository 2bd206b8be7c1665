//! The store, as the authority of budgets.

use std::sync::Arc;

use keystile_core::quota::{LeaseAsk, LeaseTruth, Leased, Mark, OpenHold, QuotaBatch, Settlement};
use keystile_measure::Sparing;
use keystile_store::{ServerId, Store, StoreError};
use keystile_verify::{BoxFuture, Budgets, NotWritten, SourceUnavailable};

/// Leases from the store and writes to its ledger, as one run of a server.
pub(crate) struct StoredBudgets {
    store: Store,
    server: ServerId,
    /// A database that refuses at once can be asked thousands of times a second.
    failures_logged: Sparing,
}

impl StoredBudgets {
    pub(crate) fn new(store: Store, server: ServerId) -> Self {
        Self { store, server, failures_logged: Sparing::default() }
    }

    fn logged(&self, error: &StoreError) -> SourceUnavailable {
        if self.failures_logged.allows() {
            tracing::error!(error = error as &dyn std::error::Error, "budgets cannot reach the store");
        }
        SourceUnavailable
    }

    /// A batch that is refused is offered in halves, so most lines that it could have would say the same.
    fn not_written(&self, error: &StoreError) -> NotWritten {
        match error {
            StoreError::Unavailable(_) | StoreError::InDoubt { .. } => {
                self.logged(error);
                NotWritten::Unavailable
            }
            StoreError::Refused(_)
            | StoreError::Corrupt(_)
            | StoreError::Conflict(_)
            | StoreError::Archived(_) => {
                if self.failures_logged.allows() {
                    tracing::warn!(
                        error = error as &dyn std::error::Error,
                        "the ledger refuses something; it is looked for in halves"
                    );
                }
                NotWritten::Refused
            }
        }
    }
}

/// All that the ledger would have had, so that somebody can enter it.
fn tell_charge(settlement: &Settlement) {
    let entry = &settlement.entry;
    tracing::error!(
        tenant_id = %entry.whose.tenant_id,
        key_id = %entry.whose.key_id,
        hold_id = entry.hold_id.map(tracing::field::display),
        request_id = %entry.request_id.escape_debug(),
        model = %entry.model.escape_debug(),
        opened_at = %entry.opened_at,
        charged_at = %entry.at,
        tokens = entry.used.tokens(),
        cost = %entry.cost,
        leased = %settlement.from_lease,
        "the ledger refuses a charge: it is missing there; what was leased for it counts as spent all the same"
    );
}

fn tell_hold(hold: &OpenHold) {
    tracing::warn!(
        tenant_id = %hold.whose.tenant_id,
        key_id = %hold.whose.key_id,
        hold_id = %hold.id,
        cost = %hold.cost,
        "that a hold is open cannot be noted; it goes on, and only a kill of the server would lose it"
    );
}

impl Budgets for StoredBudgets {
    fn mark(&self) -> Mark {
        self.server.mark()
    }

    fn lease(&self, ask: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>> {
        Box::pin(async move {
            self.store.lease_budget(self.server, ask).await.map_err(|error| self.logged(&error))
        })
    }

    fn write(&self, batch: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), NotWritten>> {
        Box::pin(async move {
            self.store.write_quota(self.server, batch).await.map_err(|error| self.not_written(&error))
        })
    }

    fn give_up(&self, batch: &QuotaBatch) {
        batch.settled.iter().for_each(tell_charge);
        batch.opened.iter().for_each(tell_hold);
    }

    fn true_up(&self, truth: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.store.true_up_lease(self.server, truth).await.map_err(|error| self.logged(&error))
        })
    }
}
