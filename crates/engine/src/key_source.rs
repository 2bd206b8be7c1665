//! The store, as verification sees it.

use std::sync::Arc;

use keystile_core::route::Table;
use keystile_core::{ApplicationId, Clock, Digest, KeyReading, TenantId, Upstreams};
use keystile_manage::ControlPlane;
use keystile_measure::Sparing;
use keystile_store::{Store, Touch};
use keystile_verify::{BoxFuture, KeySource, SourceUnavailable, UsageBatch, Use};

/// Reads facts from the store and writes last uses and counts to it.
pub(crate) struct StoredKeys {
    store: Store,
    /// Opens what is sealed.
    control: ControlPlane,
    clock: Arc<dyn Clock>,
    /// A database that refuses at once is asked thousands of times a second.
    failures_logged: Sparing,
}

impl StoredKeys {
    pub(crate) fn new(store: Store, control: ControlPlane, clock: Arc<dyn Clock>) -> Self {
        Self { store, control, clock, failures_logged: Sparing::default() }
    }

    fn logged(&self, error: &(dyn std::error::Error + 'static)) -> SourceUnavailable {
        if self.failures_logged.allows() {
            tracing::error!(error, "verification cannot reach the store");
        }
        SourceUnavailable
    }
}

impl KeySource for StoredKeys {
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        Box::pin(
            async move { self.store.facts_by_digest(digests).await.map_err(|error| self.logged(&error)) },
        )
    }

    fn routing(&self, id: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async move {
            let routing = self.store.routing_of(id).await.map_err(|error| self.logged(&error))?;
            routing.map(Table::new).transpose().map_err(|invalid| {
                tracing::error!(application_id = %id, %invalid, "the routes of an application cannot be read");
                SourceUnavailable
            })
        })
    }

    fn upstreams(&self, tenant_id: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
        Box::pin(async move { self.control.upstreams(tenant_id).await.map_err(|error| self.logged(&error)) })
    }

    fn touch(&self, uses: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        let touch =
            |used: Use| Touch { tenant_id: used.tenant_id, key_id: used.key_id, at: used.at, ip: used.ip };
        let touches = uses.into_iter().map(touch).collect();
        Box::pin(async move { self.store.touch_keys(touches).await.map_err(|error| self.logged(&error)) })
    }

    fn count(&self, batch: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        let now = self.clock.now();
        Box::pin(async move {
            self.store.add_usage(batch.id, batch.counts, now).await.map_err(|error| self.logged(&error))
        })
    }
}
