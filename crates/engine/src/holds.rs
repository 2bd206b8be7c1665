//! Settling holds by their ids, whichever server has them in memory.
//!
//! A hold is in the memory of one server, which alone decides what becomes of it as long as it serves; its mark stands in the id. Others ask that
//! one. What a server has left that serves no more goes on under whoever is asked for it first. Where two may have had a hold one after the
//! other, the first row that the ledger has of it counts, and every answer is read there.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::quota::{Actual, ChargedHold, LedgerEntry, Mark, Origin, SettledHold};
use keystile_core::{HoldId, NodeId, TenantId};
use keystile_store::{FoundHold, Question, Reply, ServerId, Store, StoreError};
use keystile_verify::{SettleError, Settling, SourceUnavailable, Verifier};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::Cluster;

/// Longest that whoever settles a hold waits for the server that has it, or for the ledger.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause before a node is asked again that has a hold and did not know it: it is just taking it up.
const PAUSE: Duration = Duration::from_millis(50);

/// Every hold of every server that serves from the database; clones are the same.
#[derive(Clone)]
pub struct Holds {
    store: Store,
    verifier: Arc<Verifier>,
    server: ServerId,
    cluster: Option<Cluster>,
}

/// Why a hold was not settled.
#[derive(Debug, thiserror::Error)]
pub enum NotSettled {
    /// There is no such hold.
    #[error("there is no such hold")]
    Unknown,
    /// It was settled otherwise, or charged.
    #[error("the hold is over")]
    Over,
    /// The server that has it cannot be reached now. Nothing was done.
    #[error("the server that has the hold cannot be reached now")]
    Unavailable(#[source] Option<StoreError>),
    /// It may have been settled so. Whoever says the same again learns it, and settles it if it was not.
    #[error("whether the hold is settled is not known now")]
    InDoubt,
}

impl Holds {
    pub(crate) const fn new(
        store: Store,
        verifier: Arc<Verifier>,
        server: ServerId,
        cluster: Option<Cluster>,
    ) -> Self {
        Self { store, verifier, server, cluster }
    }

    /// Settles a hold of the tenant: one that a caller was given, or, by a ruling, any. Whoever says the same again is told the same, by any
    /// server. What another node has settled is in the ledger when this returns.
    ///
    /// # Errors
    /// See [`NotSettled`].
    pub async fn settle(
        &self,
        tenant_id: TenantId,
        id: HoldId,
        actual: &Actual,
    ) -> Result<SettledHold, NotSettled> {
        let sought = Sought { holds: self, tenant_id, id, actual };
        match sought.here().await? {
            Some(settled) => Ok(settled),
            None => sought.elsewhere().await,
        }
    }

    /// Has everything written that is charged or held, here and by the other nodes, for somebody who is about to read it. A node that does not answer
    /// is not waited for long.
    ///
    /// # Errors
    /// When this server cannot write now.
    pub async fn write_all(&self) -> Result<(), SourceUnavailable> {
        let mut others = JoinSet::new();
        if let Some(cluster) = &self.cluster {
            for node in cluster.others() {
                let cluster = cluster.clone();
                others.spawn(async move { cluster.ask(node, Question::Write).await });
            }
        }
        let written = self.verifier.flush_spend().await;
        // Of one that has not answered, what it had written is told.
        let _replies = others.join_all().await;
        written
    }
}

/// Answers another node.
pub(crate) async fn answer(store: &Store, verifier: &Verifier, question: Question) -> Reply {
    let (tenant_id, id, actual) = match question {
        Question::Settle { tenant_id, id, actual } => (tenant_id, id, actual),
        Question::Write => {
            return verifier.flush_spend().await.map_or(Reply::Unable, |()| Reply::Written);
        }
    };
    let settled = match settle_here((store, verifier), (tenant_id, id), &actual).await {
        Ok(Some(settled)) => settled,
        Ok(None) | Err(NotSettled::Unknown) => return Reply::Unknown,
        Err(NotSettled::Over) => return Reply::Over,
        Err(NotSettled::Unavailable(_) | NotSettled::InDoubt) => return Reply::Unable,
    };
    // What somebody was told by another node outlives this one.
    match verifier.flush_spend().await {
        Ok(()) if verifier.has_lease() => Reply::Settled(settled),
        Ok(()) | Err(SourceUnavailable) => Reply::Unable,
    }
}

/// Settles a hold that this server has; `None` if it has not.
async fn settle_here(
    (store, verifier): (&Store, &Verifier),
    (tenant_id, id): (TenantId, HoldId),
    actual: &Actual,
) -> Result<Option<SettledHold>, NotSettled> {
    match verifier.settle_hold(tenant_id, id, actual) {
        Ok(Settling::Done(settled)) if verifier.has_lease() => return Ok(Some(settled)),
        // Of one that was done just before the process stood still, too, another server may know better.
        Ok(Settling::Done(_) | Settling::Claimed) => {}
        Err(SettleError::Over) => return Err(NotSettled::Over),
        Err(SettleError::Unknown) => return Ok(None),
    }
    let counted = async {
        verifier.flush_spend().await.map_err(|SourceUnavailable| NotSettled::InDoubt)?;
        match store.find_hold(tenant_id, id).await {
            Ok(FoundHold::Charged(row)) => told_by(&row, actual).map(Some),
            Ok(FoundHold::Open { .. } | FoundHold::Nothing { .. }) | Err(_) => Err(NotSettled::InDoubt),
        }
    };
    timeout(PATIENCE, counted).await.unwrap_or(Err(NotSettled::InDoubt))
}

/// What the ledger tells whoever settles a hold that has ended.
fn told_by(row: &LedgerEntry, actual: &Actual) -> Result<SettledHold, NotSettled> {
    ChargedHold::of(row).and_then(|charged| actual.told_of(&charged)).ok_or(NotSettled::Over)
}

/// A hold that somebody settles.
struct Sought<'a> {
    holds: &'a Holds,
    tenant_id: TenantId,
    id: HoldId,
    actual: &'a Actual,
}

/// What came of asking a node.
enum Asked {
    Settled(SettledHold),
    /// It has no such hold.
    HasNone,
    /// It has not answered in time, or could not say.
    Silent,
    /// It was not asked, as its lease is over.
    Gone,
}

impl Sought<'_> {
    async fn here(&self) -> Result<Option<SettledHold>, NotSettled> {
        let Holds { store, verifier, .. } = self.holds;
        settle_here((store, verifier), (self.tenant_id, self.id), self.actual).await
    }

    /// Finds who has the hold, first by its mark, and settles it there, or here if it is nobody's any more.
    async fn elsewhere(&self) -> Result<SettledHold, NotSettled> {
        let until = Instant::now() + PATIENCE;
        let mut node = self.holds.cluster.as_ref().and_then(|cluster| cluster.marked(Mark::of_hold(self.id)));
        let mut is_in_doubt = false;
        loop {
            let asked = match node {
                Some(node) => Some((node, self.ask(node).await?)),
                None => None,
            };
            if let Some((_, Asked::Settled(settled))) = asked {
                return Ok(settled);
            }
            is_in_doubt |= matches!(asked, Some((_, Asked::Silent)));
            node = match self.found(is_in_doubt).await? {
                FoundHold::Charged(row) => return told_by(&row, self.actual),
                FoundHold::Open { origin: Origin::Gateway, .. } if self.actual.ruling.is_none() => {
                    return Err(NotSettled::Unknown);
                }
                FoundHold::Open { server, runs, .. } if server == self.holds.server || !runs => {
                    match self.take_up(is_in_doubt).await? {
                        Some(settled) => return Ok(settled),
                        None => None,
                    }
                }
                FoundHold::Open { server, .. } => Some(server.node()),
                FoundHold::Nothing { made_by: None } => return Err(NotSettled::Unknown),
                FoundHold::Nothing { made_by } => match asked {
                    Some((asked, Asked::HasNone)) if made_by == Some(asked) => {
                        return Err(NotSettled::Unknown);
                    }
                    _ => made_by,
                },
            };
            let is_gone = matches!(asked, Some((gone, Asked::Gone)) if node == Some(gone));
            if is_gone || Instant::now() >= until {
                return Err(unreached(is_in_doubt, None));
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks a node to settle it.
    async fn ask(&self, node: NodeId) -> Result<Asked, NotSettled> {
        let Some(cluster) = &self.holds.cluster else { return Ok(Asked::Gone) };
        if cluster.is_gone(node) {
            return Ok(Asked::Gone);
        }
        let (tenant_id, id, actual) = (self.tenant_id, self.id, self.actual.clone());
        match cluster.ask(node, Question::Settle { tenant_id, id, actual }).await {
            Some(Reply::Settled(settled)) => Ok(Asked::Settled(settled)),
            Some(Reply::Over) => Err(NotSettled::Over),
            Some(Reply::Unknown) => Ok(Asked::HasNone),
            Some(Reply::Unable | Reply::Written) | None => Ok(Asked::Silent),
        }
    }

    /// What is written of it.
    async fn found(&self, is_in_doubt: bool) -> Result<FoundHold, NotSettled> {
        let found = self.holds.store.find_hold(self.tenant_id, self.id).await;
        found.map_err(|error| unreached(is_in_doubt, Some(error)))
    }

    /// Takes it up from a server that serves no more, and settles it; `None` if another was faster.
    async fn take_up(&self, is_in_doubt: bool) -> Result<Option<SettledHold>, NotSettled> {
        let Holds { store, verifier, server, .. } = self.holds.clone();
        let (tenant_id, id) = (self.tenant_id, self.id);
        // In a task of its own, so that a client that goes away leaves no hold behind that is this server's and in nobody's memory.
        let taking = tokio::spawn(async move {
            let taken = store.take_up_hold(server, tenant_id, id).await?;
            let is_taken = taken.is_some();
            taken.into_iter().for_each(|hold| verifier.adopt_hold(hold));
            Ok::<_, StoreError>(is_taken)
        });
        match taking.await {
            Ok(Ok(true)) => self.here().await,
            Ok(Ok(false)) => Ok(None),
            Ok(Err(error)) => Err(unreached(is_in_doubt, Some(error))),
            // The process ends.
            Err(_) => Err(unreached(is_in_doubt, None)),
        }
    }
}

fn unreached(is_in_doubt: bool, error: Option<StoreError>) -> NotSettled {
    if is_in_doubt { NotSettled::InDoubt } else { NotSettled::Unavailable(error) }
}
