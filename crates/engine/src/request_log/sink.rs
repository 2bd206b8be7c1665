//! Where logged requests go.

use std::fmt::Debug;
use std::sync::Arc;

use keystile_core::LoggedRequest;
use keystile_verify::BoxFuture;

/// Most requests in one batch: few milliseconds of a database, for which others that write wait.
pub const ROWS_PER_WRITE: usize = 2_000;

/// Keeps requests that were logged.
pub trait RequestSink: Debug + Send + Sync + 'static {
    /// Keeps a batch of requests of any tenants, at most [`ROWS_PER_WRITE`], all of which their tenants want logged. A batch whose
    /// writing failed may be offered again, so a request that is known by its id must be kept once. When this returns without
    /// an error, the batch is as safe as the sink makes it.
    ///
    /// # Errors
    /// When the batch is not known to be kept. The cause is logged by whoever implements this.
    fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>>;
}

/// Why a batch may not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLogged {
    /// The sink does not answer; the same batch can be offered again.
    #[error("the log cannot be written now")]
    Unavailable,
    /// The sink does not take this batch, and never will. Parts of it may be offered, to find what spoils it.
    #[error("the log does not take these requests")]
    Refused,
}
