//! Providers of language models, what tenants offer of them, and every price that there ever was.
//!
//! Whoever adds a provider or a model, or takes a provider away, locks the row of the tenant first, so that neither grows past its bound
//! and no model loses its provider.

mod models;
mod prices;
mod providers;

use keystile_core::{Digest, Model, TenantId};

use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

pub use models::{KnownModels, ModelFilter, ModelWrites};
pub use providers::{KeptProvider, ProviderMade, ProviderTaken};

impl Store {
    /// All providers and models of a tenant, for its gateway.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn upstreams(
        &self,
        tenant_id: TenantId,
    ) -> Result<(Vec<KeptProvider>, Vec<Model>), StoreError> {
        self.read([Value::text(tenant_id)], |tenant, tx| Box::pin(read_all(tenant, tx))).await
    }
}

async fn read_all(tenant: &[Value], tx: &mut Tx<'_>) -> Result<(Vec<KeptProvider>, Vec<Model>), StoreError> {
    Ok((providers::read_all(tenant, tx).await?, models::read_all(tenant, tx).await?))
}

/// Fingerprints of the keys that credentials of providers are sealed with.
pub(crate) async fn sealing_keys(tx: &mut Tx<'_>) -> Result<Vec<Digest>, StoreError> {
    providers::sealing_keys(tx).await
}
