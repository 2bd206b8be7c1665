//! Providers of language models.

use keystile_core::{ProviderId, TenantId};
use keystile_wire::{CreateProvider, Listing, PatchProvider, ProviderView};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// All providers, oldest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn providers(&self, tenant: TenantId) -> Result<Listing<ProviderView>, ClientError> {
        self.get(&format!("{}/providers", path(tenant))).await
    }

    /// One provider.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn provider(&self, tenant: TenantId, id: ProviderId) -> Result<ProviderView, ClientError> {
        self.get(&format!("{}/providers/{id}", path(tenant))).await
    }

    /// Makes a provider. Its credential can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `name_taken` or `too_many_providers`, and any other [`ClientError`].
    pub async fn create_provider(
        &self,
        tenant: TenantId,
        request: &CreateProvider,
    ) -> Result<ProviderView, ClientError> {
        self.post(&format!("{}/providers", path(tenant)), request).await
    }

    /// Changes settings of a provider, or switches it off or on.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_provider(
        &self,
        tenant: TenantId,
        id: ProviderId,
        request: &PatchProvider,
    ) -> Result<ProviderView, ClientError> {
        self.patch(&format!("{}/providers/{id}", path(tenant)), request).await
    }

    /// Takes a provider away.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` or `provider_has_models`, and any other [`ClientError`].
    pub async fn delete_provider(&self, tenant: TenantId, id: ProviderId) -> Result<(), ClientError> {
        self.delete(&format!("{}/providers/{id}", path(tenant))).await
    }
}
