//! Where facts come from and where uses are written: the one port of this crate.

use std::net::IpAddr;
use std::pin::Pin;

use keystile_core::route::Table;
use keystile_core::{ApplicationId, Digest, KeyId, KeyReading, KeyUsage, TenantId, Timestamp, Upstreams};

/// A future behind a pointer, so that [`KeySource`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads the facts of keys and writes down their use.
pub trait KeySource: Send + Sync + 'static {
    /// The facts and shared limits of the keys with these digests, in any order; a digest without a key is left out. At most
    /// [`crate::DIGESTS_PER_QUERY`] digests; now and then one appears twice.
    ///
    /// Every read must see all changes committed before the call: it may not be served by a replica
    /// or from a snapshot that is older.
    ///
    /// # Errors
    /// When the keys cannot be read now. The verifications that wait are refused, and nothing is kept.
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>>;

    /// What an application needs of keys, by method and path; none when it has no routing. Sees all changes, as
    /// [`Self::facts`] does.
    ///
    /// # Errors
    /// When it cannot be read now.
    fn routing(
        &self,
        application_id: ApplicationId,
    ) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>>;

    /// What a tenant's gateway may send requests to, with what opens it; empty for a tenant without providers. Sees all changes, as
    /// [`Self::facts`] does.
    ///
    /// # Errors
    /// When it cannot be read now.
    fn upstreams(&self, tenant_id: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>>;

    /// Writes down that keys were used, and from where; at most [`crate::USES_PER_WRITE`] uses. A key may appear more than
    /// once, also with several addresses, and a use may come late or twice, so the latest moment wins and none moves the last use back.
    ///
    /// # Errors
    /// When they cannot be written now. They are offered again with the next write.
    fn touch(&self, uses: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>>;

    /// Adds to what was counted of keys; at most [`crate::COUNTS_PER_WRITE`] counts, no two of the same decision about the
    /// same key in the same minute after the same wait. A batch whose write failed, or took too long, is offered again and again: it
    /// must be added once, also if an earlier write of it is under way or has succeeded.
    ///
    /// # Errors
    /// When it is not known to be written.
    fn count(&self, batch: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>>;
}

/// The source cannot answer now. Its cause is logged by whoever implements [`KeySource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key store cannot be reached now")]
pub struct SourceUnavailable;

/// One use of a key that was allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The key's tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// When.
    pub at: Timestamp,
    /// From where, when the question told; never IPv4 mapped into IPv6.
    pub ip: Option<IpAddr>,
}

/// Counts that are written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageBatch {
    /// Names the batch among all that there ever were.
    pub id: u128,
    /// The counts, in the order of their keys.
    pub counts: Vec<KeyUsage>,
}
