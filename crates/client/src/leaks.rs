//! Keys that leaked.

use keystile_core::TenantId;
use keystile_wire::{
    LeakListQuery, LeakLookup, LeakLookupAnswer, LeakReceived, LeakView, Listing, ReportLeak, ScanRulesQuery,
};

use crate::tenants::path;
use crate::{Client, ClientError};

impl Client {
    /// One page of reports that keys leaked, newest first.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn leaks(
        &self,
        tenant: TenantId,
        query: &LeakListQuery,
    ) -> Result<Listing<LeakView>, ClientError> {
        self.get_with(&format!("{}/leaks", path(tenant)), query).await
    }

    /// What secrets open that were found somewhere, by their digests; at most [`keystile_wire::MAX_LOOKUP`] at a time.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn look_up_secrets(
        &self,
        tenant: TenantId,
        request: &LeakLookup,
    ) -> Result<LeakLookupAnswer, ClientError> {
        self.post(&format!("{}/leaks/lookup", path(tenant)), request).await
    }

    /// Tells that a key leaked. The answer does not say whether there is such a key.
    ///
    /// # Errors
    /// Any [`ClientError`]; `busy` asks to come back in a moment.
    pub async fn report_leak(&self, request: &ReportLeak) -> Result<LeakReceived, ClientError> {
        self.post("/api/v1/leaks/report", request).await
    }

    /// The rules by which a scanner finds the tenant's keys.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn scan_rules(&self, tenant: TenantId, query: &ScanRulesQuery) -> Result<String, ClientError> {
        self.get_text(&format!("{}/scan-rules", path(tenant)), query).await
    }
}
