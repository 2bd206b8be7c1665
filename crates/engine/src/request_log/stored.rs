//! The store, as the log sees it.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::{
    ApplicationId, LogBreak, LogRequests, LoggedRequest, MissingRequests, TenantId, Timestamp,
};
use keystile_store::{Store, StoreError};
use keystile_verify::BoxFuture;

use super::{NotLogged, RequestSink};

/// The log itself: the sink that others follow, which knows who wants what.
pub(super) trait Ledger: RequestSink {
    /// The tenants of these applications; those that do not exist are left out.
    fn tenants_of(
        &self,
        applications: Vec<ApplicationId>,
    ) -> BoxFuture<'_, Result<HashMap<ApplicationId, TenantId>, NotLogged>>;

    /// What these tenants want logged; those that do not exist are left out.
    fn wishes(
        &self,
        tenants: Vec<TenantId>,
    ) -> BoxFuture<'_, Result<HashMap<TenantId, LogRequests>, NotLogged>>;

    /// Notes that requests are missing. It may be noted twice when it is not known to be noted.
    fn note_missing(&self, missing: Vec<MissingRequests>) -> BoxFuture<'_, Result<(), NotLogged>>;

    /// Notes that requests of any tenant may be missing in this span. It may be noted twice.
    fn note_break(&self, span: LogBreak) -> BoxFuture<'_, Result<(), NotLogged>>;

    /// Notes that everything before this moment was written, or noted as missing.
    fn mark(&self, whole_until: Timestamp) -> BoxFuture<'_, Result<(), NotLogged>>;

    /// Notes that everything was written, and nothing more comes.
    fn end(&self) -> BoxFuture<'_, Result<(), NotLogged>>;
}

impl RequestSink for Store {
    fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
        Box::pin(async move { self.add_requests(rows).await.map_err(|error| logged(&error)) })
    }
}

impl Ledger for Store {
    fn tenants_of(
        &self,
        applications: Vec<ApplicationId>,
    ) -> BoxFuture<'_, Result<HashMap<ApplicationId, TenantId>, NotLogged>> {
        Box::pin(
            async move { self.tenants_of_applications(applications).await.map_err(|error| logged(&error)) },
        )
    }

    fn wishes(
        &self,
        tenants: Vec<TenantId>,
    ) -> BoxFuture<'_, Result<HashMap<TenantId, LogRequests>, NotLogged>> {
        Box::pin(async move { self.log_wishes(tenants).await.map_err(|error| logged(&error)) })
    }

    fn note_missing(&self, missing: Vec<MissingRequests>) -> BoxFuture<'_, Result<(), NotLogged>> {
        Box::pin(async move { self.add_missing_requests(missing).await.map_err(|error| logged(&error)) })
    }

    fn note_break(&self, span: LogBreak) -> BoxFuture<'_, Result<(), NotLogged>> {
        Box::pin(async move { self.add_log_break(span).await.map_err(|error| logged(&error)) })
    }

    fn mark(&self, whole_until: Timestamp) -> BoxFuture<'_, Result<(), NotLogged>> {
        Box::pin(async move { self.mark_log(whole_until).await.map_err(|error| logged(&error)) })
    }

    fn end(&self) -> BoxFuture<'_, Result<(), NotLogged>> {
        Box::pin(async move { self.end_log().await.map_err(|error| logged(&error)) })
    }
}

/// It is tried about once a second, so each failure may have its line.
fn logged(error: &StoreError) -> NotLogged {
    tracing::warn!(error = error as &dyn std::error::Error, "requests cannot be logged now");
    match error {
        StoreError::Unavailable(_) | StoreError::InDoubt { .. } => NotLogged::Unavailable,
        StoreError::Refused(_)
        | StoreError::Corrupt(_)
        | StoreError::Conflict(_)
        | StoreError::Archived(_) => NotLogged::Refused,
    }
}
