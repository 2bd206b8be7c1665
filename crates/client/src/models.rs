//! Models that a tenant offers, and what they cost.

use keystile_core::{ModelId, TenantId};
use keystile_wire::{
    CreateModel, ImportModels, ImportedModelsView, Listing, ModelListQuery, ModelView, PageQuery, PatchModel,
    PriceVersionView,
};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// One page of models, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn models(
        &self,
        tenant: TenantId,
        query: &ModelListQuery,
    ) -> Result<Listing<ModelView>, ClientError> {
        self.get_with(&format!("{}/models", path(tenant)), query).await
    }

    /// One model.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn model(&self, tenant: TenantId, id: ModelId) -> Result<ModelView, ClientError> {
        self.get(&format!("{}/models/{id}", path(tenant))).await
    }

    /// Offers a model.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `name_taken` or `too_many_models`, and any other [`ClientError`].
    pub async fn create_model(
        &self,
        tenant: TenantId,
        request: &CreateModel,
    ) -> Result<ModelView, ClientError> {
        self.post(&format!("{}/models", path(tenant)), request).await
    }

    /// Changes settings of a model, or its price.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_model(
        &self,
        tenant: TenantId,
        id: ModelId,
        request: &PatchModel,
    ) -> Result<ModelView, ClientError> {
        self.patch(&format!("{}/models/{id}", path(tenant)), request).await
    }

    /// Takes a model away.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn delete_model(&self, tenant: TenantId, id: ModelId) -> Result<(), ClientError> {
        self.delete(&format!("{}/models/{id}", path(tenant))).await
    }

    /// One page of the prices that a model has had, the last first.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn model_prices(
        &self,
        tenant: TenantId,
        id: ModelId,
        query: &PageQuery,
    ) -> Result<Listing<PriceVersionView>, ClientError> {
        self.get_with(&format!("{}/models/{id}/prices", path(tenant)), query).await
    }

    /// Takes models and prices over from a table, or tells what would be.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `too_many_models`, and any other [`ClientError`].
    pub async fn import_models(
        &self,
        tenant: TenantId,
        request: &ImportModels,
    ) -> Result<ImportedModelsView, ClientError> {
        self.post(&format!("{}/models/import", path(tenant)), request).await
    }
}
