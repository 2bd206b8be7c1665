//! API keys and questions about them.

use keystile_core::{KeyId, TenantId};
use keystile_wire::{
    BatchAnswer, BatchAnswers, BlockKey, CreateKey, CreatedKey, ImportKeys, ImportedKeys, KeyAddressView,
    KeyListQuery, KeyView, Listing, PatchKey, RegenerateKey, RevokeKey, RotateKey, UsageQuery, UsageView,
    VerifyAnswer, VerifyBatch, VerifyRequest,
};

use crate::{Client, ClientError};

impl Client {
    /// Creates a key. Its secret is in this answer and can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] names each field that breaks a rule. After [`ClientError::Interrupted`] a key may
    /// have been made whose secret nobody knows: look for it and delete it.
    pub async fn create_key(&self, tenant: TenantId, request: &CreateKey) -> Result<CreatedKey, ClientError> {
        self.post(&keys(tenant), request).await
    }

    /// One page of keys, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn keys(
        &self,
        tenant: TenantId,
        query: &KeyListQuery,
    ) -> Result<Listing<KeyView>, ClientError> {
        self.get_with(&keys(tenant), query).await
    }

    /// The record of one key.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn key(&self, tenant: TenantId, id: KeyId) -> Result<KeyView, ClientError> {
        self.get(&key(tenant, id)).await
    }

    /// How often a key was allowed and refused, step by step; also of one that is deleted.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn key_usage(
        &self,
        tenant: TenantId,
        id: KeyId,
        query: &UsageQuery,
    ) -> Result<UsageView, ClientError> {
        self.get_with(&act(tenant, id, "usage"), query).await
    }

    /// From where a key was used lately, the last seen first; also of one that is deleted.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn key_addresses(
        &self,
        tenant: TenantId,
        id: KeyId,
    ) -> Result<Listing<KeyAddressView>, ClientError> {
        self.get(&act(tenant, id, "addresses")).await
    }

    /// Changes settings of a key.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `version_conflict` when the record has moved on since `request.version`, and
    /// any other [`ClientError`].
    pub async fn patch_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        request: &PatchKey,
    ) -> Result<KeyView, ClientError> {
        self.patch(&key(tenant, id), request).await
    }

    /// Switches a key off for a while.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn disable_key(&self, tenant: TenantId, id: KeyId) -> Result<KeyView, ClientError> {
        self.command(&act(tenant, id, "disable")).await
    }

    /// Switches a key on again.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn enable_key(&self, tenant: TenantId, id: KeyId) -> Result<KeyView, ClientError> {
        self.command(&act(tenant, id, "enable")).await
    }

    /// Bars a key, for abuse, a leak or billing.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn block_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        request: &BlockKey,
    ) -> Result<KeyView, ClientError> {
        self.post(&act(tenant, id, "block"), request).await
    }

    /// Lifts the bar.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn unblock_key(&self, tenant: TenantId, id: KeyId) -> Result<KeyView, ClientError> {
        self.command(&act(tenant, id, "unblock")).await
    }

    /// Ends a key for good. It is refused everywhere when this returns.
    ///
    /// # Errors
    /// Any [`ClientError`]; after [`ClientError::Interrupted`] call it again, which does no harm.
    pub async fn revoke_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        request: &RevokeKey,
    ) -> Result<KeyView, ClientError> {
        self.post(&act(tenant, id, "revoke"), request).await
    }

    /// Gives a key a new secret. The old one is refused everywhere when this returns.
    ///
    /// # Errors
    /// Any [`ClientError`]; after [`ClientError::Interrupted`] the key may have a secret that nobody knows: call it
    /// again.
    pub async fn regenerate_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        request: &RegenerateKey,
    ) -> Result<CreatedKey, ClientError> {
        self.post(&act(tenant, id, "regenerate"), request).await
    }

    /// Gives a key a successor with the same settings; the old one lives on for the overlap.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `already_rotated` names a successor that lives, and any other [`ClientError`];
    /// after [`ClientError::Interrupted`] there may be a successor whose secret nobody knows: look for it, and
    /// regenerate it.
    pub async fn rotate_key(
        &self,
        tenant: TenantId,
        id: KeyId,
        request: &RotateKey,
    ) -> Result<CreatedKey, ClientError> {
        self.post(&act(tenant, id, "rotate"), request).await
    }

    /// Takes over keys of another system by the hashes of their secrets: all of them, or none.
    ///
    /// # Errors
    /// [`ClientError::Problem`] names each key that breaks a rule or whose hash is taken, and any other [`ClientError`];
    /// after [`ClientError::Interrupted`] import the same keys again, which does no harm.
    pub async fn import_keys(
        &self,
        tenant: TenantId,
        request: &ImportKeys,
    ) -> Result<ImportedKeys, ClientError> {
        self.post(&format!("{}/import", keys(tenant)), request).await
    }

    /// Takes a key out of the lists; it is revoked, too.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn delete_key(&self, tenant: TenantId, id: KeyId) -> Result<(), ClientError> {
        self.delete(&key(tenant, id)).await
    }

    /// Asks whether a key may do something, here and now. A refused key is an answer, not an error.
    ///
    /// # Errors
    /// Any [`ClientError`], about the caller or the question.
    pub async fn verify(&self, request: &VerifyRequest) -> Result<VerifyAnswer<'static>, ClientError> {
        self.post("/api/v1/keys/verify", request).await
    }

    /// Whether keys are good, at most [`keystile_wire::MAX_QUESTIONS`] of them; the answers come in the order of the questions.
    ///
    /// # Errors
    /// Any [`ClientError`], about the caller or the batch as a whole.
    pub async fn verify_batch(&self, batch: &VerifyBatch) -> Result<Vec<BatchAnswer>, ClientError> {
        let answers: BatchAnswers = self.post("/api/v1/keys/verify-batch", batch).await?;
        Ok(answers.answers)
    }
}

fn keys(tenant: TenantId) -> String {
    format!("/api/v1/tenants/{tenant}/api-keys")
}

fn key(tenant: TenantId, id: KeyId) -> String {
    format!("{}/{id}", keys(tenant))
}

fn act(tenant: TenantId, id: KeyId, action: &str) -> String {
    format!("{}/{action}", key(tenant, id))
}
