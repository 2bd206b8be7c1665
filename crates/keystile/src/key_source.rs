//! The store, as verification sees it.

use keystile_core::route::Table;
use keystile_core::{ApplicationId, Digest, KeyReading};
use keystile_store::{Store, StoreError, Touch};
use keystile_verify::{BoxFuture, KeySource, SourceUnavailable, Use};

/// Reads facts from the store and writes last uses to it.
pub(crate) struct StoredKeys(pub(crate) Store);

impl KeySource for StoredKeys {
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        Box::pin(async move { self.0.facts_by_digest(digests).await.map_err(logged) })
    }

    fn routing(&self, id: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async move {
            let routing = self.0.routing_of(id).await.map_err(logged)?;
            routing.map(Table::new).transpose().map_err(|invalid| {
                tracing::error!(application_id = %id, %invalid, "the routes of an application cannot be read");
                SourceUnavailable
            })
        })
    }

    fn touch(&self, uses: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        let touch =
            |used: Use| Touch { tenant_id: used.tenant_id, key_id: used.key_id, at: used.at, ip: used.ip };
        let touches = uses.into_iter().map(touch).collect();
        Box::pin(async move { self.0.touch_keys(touches).await.map_err(logged) })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends the error's way")]
fn logged(error: StoreError) -> SourceUnavailable {
    tracing::error!(error = &error as &dyn std::error::Error, "verification cannot reach the store");
    SourceUnavailable
}
