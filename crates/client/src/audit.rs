//! The audit log.

use keystile_core::{AuditId, TenantId};
use keystile_wire::{AuditEntryView, AuditExportQuery, AuditListQuery, AuditProofView, Listing};

use crate::download::{Download, EXPORT_TIMEOUT};
use crate::{Client, ClientError};

impl Client {
    /// One page of the log, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn audit(
        &self,
        tenant: TenantId,
        query: &AuditListQuery,
    ) -> Result<Listing<AuditEntryView>, ClientError> {
        self.get_with(&audit(tenant), query).await
    }

    /// One entry of the log.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn audit_entry(&self, tenant: TenantId, id: AuditId) -> Result<AuditEntryView, ClientError> {
        self.get(&format!("{}/{id}", audit(tenant))).await
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn audit_proof(&self, tenant: TenantId) -> Result<AuditProofView, ClientError> {
        self.get(&format!("{}/proof", audit(tenant))).await
    }

    /// The log, oldest first, in the form that `keystile_core::audit::check` reads.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn audit_export(
        &self,
        tenant: TenantId,
        query: &AuditExportQuery,
    ) -> Result<Download, ClientError> {
        let path = format!("{}/export", audit(tenant));
        self.download(&path, query, EXPORT_TIMEOUT).await
    }
}

fn audit(tenant: TenantId) -> String {
    format!("/api/v1/tenants/{tenant}/audit")
}
