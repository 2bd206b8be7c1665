//! One of several nodes that serve from one database.
//!
//! A node answers from memory under a lease, which it renews on the connection on which it hears of changes ([`membership`]). Whoever has
//! committed a change waits here until each other node has said that it has forgotten it, or has no lease any more. A lease is counted
//! twice, by clocks that nobody sets: by its holder from before a renewal was sent, and by whoever waits from after the commit. So however
//! little of the two is heard of the other, the wait ends behind the lease: a renewal that was sent before the commit has run out by then,
//! and one that was sent after it has read what was committed.

mod acks;
mod asking;
mod leading;
mod membership;
mod receipt;
mod recent;
mod sight;
mod undertaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::quota::Mark;
use keystile_core::{Change, NodeId};
use keystile_measure::Histogram;
use keystile_store::{Node, Outlook, ServerId, Store, StoreError, Transactions, noting};
use keystile_verify::Verifier;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use acks::Acks;
use asking::{Asking, Outbox};
use recent::Recent;
use sight::Sight;

pub use leading::{Duty, Leading};
pub(crate) use membership::{Joined, Membership};
pub(crate) use receipt::give_receipt;
pub use receipt::{Receipt, carrying_receipt, with_receipt};
pub(crate) use undertaker::Undertaker;

/// By how much clocks that nobody sets may drift apart in the longest lease, and for how long a commit may be on its way.
const MARGIN: Duration = Duration::from_millis(300);
/// Longest until the database is asked what no acknowledgement has told.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// From a round trip to the longest wait for a node that has stopped.
const WAITS: [Duration; 10] = [
    millis(1),
    millis(2),
    millis(5),
    millis(10),
    millis(25),
    millis(100),
    millis(500),
    millis(1_500),
    millis(4_000),
    millis(31_000),
];

/// This node, among others; clones are the same.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    id: NodeId,
    lease: Duration,
    store: Store,
    verifier: Arc<Verifier>,
    acks: Acks,
    sight: Sight,
    recent: Recent,
    asking: Asking,
    leads: watch::Sender<bool>,
    revision: AtomicI64,
    measures: ClusterMeasures,
}

/// What operators see of it.
#[derive(Debug)]
pub struct ClusterMeasures {
    /// How long changes have waited for other nodes.
    pub waits: Histogram,
    expired: AtomicU64,
    leases_lost: AtomicU64,
}

impl ClusterMeasures {
    fn new() -> Self {
        Self { waits: Histogram::new(&WAITS), expired: AtomicU64::new(0), leases_lost: AtomicU64::new(0) }
    }

    /// How often a change was answered because the lease of a node was over that had not acknowledged it.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// How often this node had no lease any more.
    pub fn leases_lost(&self) -> u64 {
        self.leases_lost.load(Ordering::Relaxed)
    }
}

/// What came of waiting.
enum Waited {
    /// Nobody remembers anything that was changed.
    Nothing,
    /// All leases are over, or should be.
    InVain,
    /// All have heard of it, or have no lease any more.
    Heard(Receipt),
}

impl Cluster {
    /// A node that is to join, and what it says to others; see [`Membership`].
    pub(crate) fn new(id: NodeId, lease: Duration, store: Store, verifier: Arc<Verifier>) -> (Self, Outbox) {
        let (asking, outbox) = Asking::new();
        let cluster = Self(Arc::new(Shared {
            id,
            lease,
            store,
            verifier,
            acks: Acks::default(),
            sight: Sight::default(),
            recent: Recent::default(),
            asking,
            leads: watch::Sender::new(false),
            revision: AtomicI64::new(0),
            measures: ClusterMeasures::new(),
        }));
        (cluster, outbox)
    }

    /// Names this node.
    pub fn id(&self) -> NodeId {
        self.0.id
    }

    /// Whether this node is the one that does what only one may do.
    pub fn leading(&self) -> Leading {
        Leading::of(self.0.leads.subscribe())
    }

    /// Whether it is now.
    pub fn leads(&self) -> bool {
        *self.0.leads.borrow()
    }

    /// How many nodes there are, as far as this one knows.
    pub fn nodes(&self) -> usize {
        self.0.sight.count() + 1
    }

    /// The other nodes that may answer from memory, as far as this one knows.
    pub(crate) fn others(&self) -> Vec<NodeId> {
        self.0.sight.all().into_iter().filter(|node| !self.is_gone(*node)).collect()
    }

    /// The other node whose holds have this mark, if this one knows of it.
    pub(crate) fn marked(&self, mark: Mark) -> Option<NodeId> {
        self.0.sight.all().into_iter().find(|node| ServerId::of_node(*node).mark() == mark)
    }

    /// Whether the lease of another node is over, as far as this one knows.
    pub(crate) fn is_gone(&self, node: NodeId) -> bool {
        self.0.sight.is_gone(node, Instant::now())
    }

    /// All of them, as the database tells.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Node>, StoreError> {
        self.0.store.nodes().await
    }

    /// For how long it may answer from memory, if it renews its lease no more.
    pub fn lease_left(&self) -> Duration {
        Duration::from_millis(self.0.verifier.lease_left_millis())
    }

    /// The last change that it has heard of.
    pub fn revision(&self) -> i64 {
        self.0.revision.load(Ordering::Relaxed)
    }

    /// What is counted and measured.
    pub fn measures(&self) -> &ClusterMeasures {
        &self.0.measures
    }

    /// Waits until each other node has forgotten what these transactions and this change made untrue, or has no lease any more; to be called at
    /// once when they are committed. `None` when nothing of it concerns verification, or when the database could not be asked, which takes as
    /// long as all leases.
    pub(crate) async fn acknowledged(
        &self,
        transactions: &Transactions,
        change: Option<&Change>,
    ) -> Option<Receipt> {
        let began = Instant::now();
        let mut waited = self.waited(transactions, began).await;
        if let (Waited::Nothing, Some(change)) = (&waited, change)
            && !change.is_empty()
        {
            // It found everything as it was to be, perhaps by a change of which some have not heard yet.
            waited = self.waited_again(change, began).await;
        }
        let receipt = match waited {
            Waited::Nothing => return None,
            Waited::InVain => None,
            Waited::Heard(receipt) => Some(receipt),
        };
        let measures = &self.0.measures;
        measures.waits.record(began.elapsed());
        let expired = receipt.as_ref().map_or(0, |receipt| receipt.expired as u64);
        measures.expired.fetch_add(expired, Ordering::Relaxed);
        receipt
    }

    /// Has the others told of a change that nobody was told of, and waits for them.
    async fn waited_again(&self, change: &Change, began: Instant) -> Waited {
        match timeout_at(self.end(began), noting(self.0.store.note_again(change))).await {
            Ok((Ok(()), noted)) => self.waited(&noted, began).await,
            Ok((Err(_), _)) | Err(_) => {
                sleep_until(self.end(began)).await;
                Waited::InVain
            }
        }
    }

    /// When all leases are over that ran at this moment.
    fn end(&self, began: Instant) -> Instant {
        began + self.0.sight.longest_lease().max(self.0.lease) + MARGIN
    }

    async fn waited(&self, transactions: &Transactions, began: Instant) -> Waited {
        if transactions.is_empty() {
            return Waited::Nothing;
        }
        let Shared { store, sight, .. } = &*self.0;
        let mut end = self.end(began);
        loop {
            match timeout_at(end, store.outlook(transactions)).await {
                Ok(Ok(outlook)) if outlook.written.is_empty() => return Waited::Nothing,
                Ok(Ok(outlook)) => {
                    let now = Instant::now();
                    sight.note(outlook.others.iter().map(|other| &other.node), now);
                    end = self.end(began);
                    if let Some(receipt) = self.settled(&outlook, end).await {
                        return Waited::Heard(receipt);
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "which nodes have heard of a change cannot be asked now"
                    );
                    sleep_until(end.min(Instant::now() + LOOK_AGAIN)).await;
                }
                // The next look at the time ends it.
                Err(_) => {}
            }
            if Instant::now() >= end {
                return Waited::InVain;
            }
        }
    }

    /// Waits for acknowledgements, until the end or for as long as this outlook is good.
    async fn settled(&self, outlook: &Outlook, end: Instant) -> Option<Receipt> {
        let Shared { acks, sight, .. } = &*self.0;
        let now = Instant::now();
        // Near the end another look would not be answered in time.
        let again = if end.duration_since(now) <= 2 * LOOK_AGAIN { end } else { now + LOOK_AGAIN };
        loop {
            let arrived = acks.arrived.notified();
            tokio::pin!(arrived);
            // From here on none is missed.
            let _is_late = arrived.as_mut().enable();
            let now = Instant::now();
            let (mut acknowledged, mut expired) = (1, 0);
            for other in &outlook.others {
                if other.has_applied || acks.are_from(other.node.id, &outlook.written) {
                    acknowledged += 1;
                } else if now >= end || sight.is_over(&other.node, now) {
                    expired += 1;
                }
            }
            let nodes = outlook.others.len() + 1;
            if acknowledged + expired == nodes {
                let revision = outlook.written.iter().map(|written| written.revision).max();
                return Some(Receipt { revision: revision.unwrap_or(0), nodes, acknowledged, expired });
            }
            if now >= again {
                return None;
            }
            tokio::select! {
                () = &mut arrived => {}
                () = sleep_until(again) => {}
            }
        }
    }
}
