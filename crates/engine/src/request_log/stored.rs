//! The store, as the log sees it.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::{ApplicationId, LogRequests, LoggedRequest, MissingRequests, TenantId};
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
