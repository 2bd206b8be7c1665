//! The audit log.

use std::time::Duration;

use keystile_core::{AuditId, TenantId};
use keystile_wire::{AuditEntryView, AuditExportQuery, AuditListQuery, AuditProofView, Listing};

use crate::answer::Pieces;
use crate::{Client, ClientError};

/// Longest wait for the end of an export: a log of many gigabytes on a slow line.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// An export on its way.
#[derive(Debug)]
pub struct AuditExport(Pieces);

impl AuditExport {
    /// The next bytes, cut anywhere; nothing behind the end.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] when it breaks off.
    pub async fn piece(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, ClientError> {
        self.0.next().await
    }
}

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
    ) -> Result<AuditExport, ClientError> {
        let path = format!("{}/export", audit(tenant));
        self.get_pieces(&path, query, EXPORT_TIMEOUT).await.map(AuditExport)
    }
}

fn audit(tenant: TenantId) -> String {
    format!("/api/v1/tenants/{tenant}/audit")
}
