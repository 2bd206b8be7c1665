//! The store, as the authority of budgets.

use std::sync::Arc;

use keystile_core::quota::{LeaseAsk, LeaseTruth, Leased, QuotaBatch};
use keystile_measure::Sparing;
use keystile_store::{ServerId, Store, StoreError};
use keystile_verify::{BoxFuture, Budgets, SourceUnavailable};

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

    #[expect(clippy::needless_pass_by_value, reason = "it ends the error's way")]
    fn logged(&self, error: StoreError) -> SourceUnavailable {
        if self.failures_logged.allows() {
            tracing::error!(error = &error as &dyn std::error::Error, "budgets cannot reach the store");
        }
        SourceUnavailable
    }
}

impl Budgets for StoredBudgets {
    fn lease(&self, ask: LeaseAsk) -> BoxFuture<'_, Result<Leased, SourceUnavailable>> {
        Box::pin(async move {
            self.store.lease_budget(self.server, ask).await.map_err(|error| self.logged(error))
        })
    }

    fn write(&self, batch: Arc<QuotaBatch>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.store.write_quota(self.server, batch).await.map_err(|error| self.logged(error))
        })
    }

    fn true_up(&self, truth: LeaseTruth) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.store.true_up_lease(self.server, truth).await.map_err(|error| self.logged(error))
        })
    }
}
