//! Webhooks of a tenant, and how deliveries to them go.

use keystile_core::{TenantId, WebhookId};
use keystile_wire::{
    CreateWebhook, CreatedWebhook, DeliveryListQuery, DeliveryView, Listing, PatchWebhook, Redeliver,
    RedeliveredView, RotateWebhookSecret, WebhookTestView, WebhookView,
};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn webhooks(&self, tenant: TenantId) -> Result<Listing<WebhookView>, ClientError> {
        self.get(&format!("{}/webhooks", path(tenant))).await
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn webhook(&self, tenant: TenantId, id: WebhookId) -> Result<WebhookView, ClientError> {
        self.get(&format!("{}/webhooks/{id}", path(tenant))).await
    }

    /// Makes a webhook. The secret is in this answer and can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `too_many_webhooks`, and any other [`ClientError`]; after
    /// [`ClientError::Interrupted`] look whether it was made, and rotate its secret.
    pub async fn create_webhook(
        &self,
        tenant: TenantId,
        request: &CreateWebhook,
    ) -> Result<CreatedWebhook, ClientError> {
        self.post(&format!("{}/webhooks", path(tenant)), request).await
    }

    /// Changes settings of a webhook, or switches it off or on.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
        request: &PatchWebhook,
    ) -> Result<WebhookView, ClientError> {
        self.patch(&format!("{}/webhooks/{id}", path(tenant)), request).await
    }

    /// Takes a webhook away.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn delete_webhook(&self, tenant: TenantId, id: WebhookId) -> Result<(), ClientError> {
        self.delete(&format!("{}/webhooks/{id}", path(tenant))).await
    }

    /// Gives a webhook another secret, which is in this answer and can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`]; after [`ClientError::Interrupted`] rotate it
    /// again.
    pub async fn rotate_webhook_secret(
        &self,
        tenant: TenantId,
        id: WebhookId,
        request: &RotateWebhookSecret,
    ) -> Result<CreatedWebhook, ClientError> {
        self.post(&format!("{}/webhooks/{id}/rotate-secret", path(tenant)), request).await
    }

    /// Sends a message to a webhook at once, and tells how that went.
    ///
    /// # Errors
    /// Any [`ClientError`]; `busy` asks to come back in a moment.
    pub async fn test_webhook(
        &self,
        tenant: TenantId,
        id: WebhookId,
    ) -> Result<WebhookTestView, ClientError> {
        self.command(&format!("{}/webhooks/{id}/test", path(tenant))).await
    }

    /// Lets deliveries be sent anew, and tells how many.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn redeliver(
        &self,
        tenant: TenantId,
        id: WebhookId,
        request: &Redeliver,
    ) -> Result<RedeliveredView, ClientError> {
        self.post(&format!("{}/webhooks/{id}/redeliver", path(tenant)), request).await
    }

    /// One page of deliveries, the last first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn deliveries(
        &self,
        tenant: TenantId,
        query: &DeliveryListQuery,
    ) -> Result<Listing<DeliveryView>, ClientError> {
        self.get_with(&format!("{}/deliveries", path(tenant)), query).await
    }
}
