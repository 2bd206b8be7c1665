//! A log that is kept outside of the store.

use std::collections::HashMap;
use std::sync::Arc;

use keystile_core::{
    ApplicationId, LogBreak, LogRequests, LoggedRequest, MissingRequests, TenantId, Timestamp,
};
use keystile_store::Store;
use keystile_verify::BoxFuture;

use super::stored::Ledger;
use super::{NotLogged, RequestSink};

/// Where logged requests are kept instead of the database. What tenants want logged, and how many requests are missing, stays in
/// the database.
#[derive(Debug, Clone)]
pub struct LogElsewhere {
    /// Keeps them. What it does not take now waits in memory, as it does while the database is away.
    pub sink: Arc<dyn RequestSink>,
    /// What people who ask for the log are told of the place, such as "the archive". It must not name a secret.
    pub name: String,
}

/// The store in everything but the requests themselves.
#[derive(Debug)]
pub(super) struct Elsewhere {
    store: Store,
    sink: Arc<dyn RequestSink>,
}

impl Elsewhere {
    pub(super) fn new(store: Store, sink: Arc<dyn RequestSink>) -> Self {
        Self { store, sink }
    }
}

impl RequestSink for Elsewhere {
    fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
        self.sink.write(rows)
    }
}

impl Ledger for Elsewhere {
    fn tenants_of(
        &self,
        applications: Vec<ApplicationId>,
    ) -> BoxFuture<'_, Result<HashMap<ApplicationId, TenantId>, NotLogged>> {
        Ledger::tenants_of(&self.store, applications)
    }

    fn wishes(
        &self,
        tenants: Vec<TenantId>,
    ) -> BoxFuture<'_, Result<HashMap<TenantId, LogRequests>, NotLogged>> {
        self.store.wishes(tenants)
    }

    fn note_missing(&self, missing: Vec<MissingRequests>) -> BoxFuture<'_, Result<(), NotLogged>> {
        self.store.note_missing(missing)
    }

    fn note_break(&self, span: LogBreak) -> BoxFuture<'_, Result<(), NotLogged>> {
        self.store.note_break(span)
    }

    fn mark(&self, whole_until: Timestamp) -> BoxFuture<'_, Result<(), NotLogged>> {
        self.store.mark(whole_until)
    }

    fn end(&self) -> BoxFuture<'_, Result<(), NotLogged>> {
        self.store.end()
    }
}
