//! A node's place among the others: the task that renews its lease, hears of changes and has them forgotten.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keystile_core::Clock;
use keystile_manage::ControlPlane;
use keystile_store::{Applied, Heard, Hearing, Member, Message, NewNode, OpenError, Store, Told, Written};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Cluster;
use super::asking::{Outbox, send};

/// Pause between two attempts to join again.
const PAUSE: Duration = Duration::from_millis(250);
/// Pause between two looks whether the lease is over, for what is said of it and what is forgotten; that nothing is answered from memory
/// then does not wait for it.
const LOOK: Duration = Duration::from_millis(100);
/// Most changes that are acknowledged together.
const TOGETHER: usize = 1_024;

/// A place among the nodes.
pub(crate) struct Joined {
    member: Member,
    hearing: Hearing,
    applied: Applied,
    /// When its lease began, by [`Clock::unslept_millis`].
    since: u64,
}

impl Joined {
    /// Joins the nodes that serve from this database.
    pub(crate) async fn join(store: &Store, node: &NewNode, clock: &dyn Clock) -> Result<Self, OpenError> {
        Self::join_anew(store, node, clock, || {}).await
    }

    /// The same for a node that knows something from before; see [`Store::join_anew`].
    async fn join_anew(
        store: &Store,
        node: &NewNode,
        clock: &dyn Clock,
        forget: impl FnOnce() + Send,
    ) -> Result<Self, OpenError> {
        let since = clock.unslept_millis();
        let (member, hearing, applied) = store.join_anew(node, forget).await?;
        Ok(Self { member, hearing, applied, since })
    }
}

/// The task that keeps the place.
pub(crate) struct Membership {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Membership {
    /// Keeps the place from now on.
    pub(crate) fn start(
        (cluster, outbox): (Cluster, Outbox),
        (node, joined): (NewNode, Joined),
        control: ControlPlane,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let outbox = Mutex::new(outbox);
        let keeping = Keeping { cluster, outbox, node, control, clock };
        Self { stop, task: tokio::spawn(keeping.run(joined, stopped)) }
    }

    /// Leaves. From then on others do not wait for this node.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the place among the nodes was lost with a panic");
        }
    }
}

struct Keeping {
    cluster: Cluster,
    outbox: Mutex<Outbox>,
    node: NewNode,
    control: ControlPlane,
    clock: Arc<dyn Clock>,
}

/// However the task ends, nobody renews the lease any more: what is known is believed no longer, and this node leads nobody.
impl Drop for Keeping {
    fn drop(&mut self) {
        let shared = &self.cluster.0;
        shared.verifier.end_lease();
        shared.leads.send_replace(false);
        shared.store.drift();
    }
}

impl Keeping {
    async fn run(self, joined: Joined, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            () = self.keep(joined, stopped) => {}
            () = self.watch() => {}
        }
    }

    async fn keep(&self, first: Joined, mut stopped: oneshot::Receiver<()>) {
        let mut joined = first;
        loop {
            let is_last = tokio::select! {
                () = self.serve(&mut joined) => false,
                _ = &mut stopped => true,
            };
            let shared = &self.cluster.0;
            if is_last {
                shared.verifier.end_lease();
                if let Err(error) = joined.member.leave().await {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "others wait for this node until its lease is over");
                }
                return;
            }
            shared.leads.send_replace(false);
            shared.store.drift();
            drop(joined);
            joined = tokio::select! {
                joined = self.join_again() => joined,
                _ = &mut stopped => return,
            };
        }
    }

    async fn join_again(&self) -> Joined {
        let (shared, mut is_told) = (&self.cluster.0, false);
        loop {
            tokio::time::sleep(PAUSE).await;
            // What is left of the lease from before: whoever waits for this node to forget a change waits no longer when it has joined.
            let forget = || shared.verifier.end_lease();
            match Joined::join_anew(&shared.store, &self.node, self.clock.as_ref(), forget).await {
                Ok(joined) => {
                    tracing::info!("this node has joined the others again");
                    return joined;
                }
                Err(error) if !is_told => {
                    is_told = true;
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(
                        error,
                        "this node has lost its place among the others, and tries to join again"
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// Ends when the connection no longer works, or others have given this node up.
    async fn serve(&self, joined: &mut Joined) {
        let shared = &self.cluster.0;
        // What was changed while nobody listened was not heard, and another database may be in the place of the one that was lost.
        shared.verifier.end_lease();
        shared.recent.clear();
        shared.verifier.extend_lease(self.end_of_lease(joined.since));
        shared.store.anchor();
        let Joined { member, hearing, applied, .. } = joined;
        let member: &Member = member;
        tokio::select! {
            () = self.renew(member, applied) => {}
            () = self.hear(member, hearing) => {}
            () = self.say(member) => {}
        }
    }

    async fn say(&self, member: &Member) {
        told(send(member, &mut *self.outbox.lock().await).await);
    }

    async fn renew(&self, member: &Member, applied: &mut Applied) {
        let shared = &self.cluster.0;
        if self.look_around(member).await.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(shared.lease / 3).await;
            applied.revision = applied.revision.max(shared.revision.load(Ordering::Relaxed));
            let since = self.clock.unslept_millis();
            // Sent together: where answers take long, two round trips would be a large part of the lease.
            let (renewed, seen) = tokio::join!(member.renew(applied), self.look_around(member));
            let (Some(Some(renewal)), Some(())) = (told(renewed), seen) else { return };
            let mut learned = Vec::new();
            for (written, heard) in &renewal.missed {
                // What stands for many is not what was heard of the last of them.
                if *heard == Heard::Everything || !shared.recent.has(written.revision) {
                    self.apply(heard);
                    join(&mut learned, *written);
                }
            }
            shared.revision.fetch_max(renewal.applied.revision, Ordering::Relaxed);
            shared.verifier.extend_lease(self.end_of_lease(since));
            shared.recent.turn();
            *applied = renewal.applied;
            if !learned.is_empty() && told(member.acknowledge(&learned).await).is_none() {
                return;
            }
        }
    }

    /// Who else is there, and whether somebody leads.
    async fn look_around(&self, member: &Member) -> Option<()> {
        let shared = &self.cluster.0;
        let leads = async { if self.cluster.leads() { Ok(true) } else { member.lead().await } };
        let (nodes, leads) = tokio::join!(member.nodes(), leads);
        let (nodes, leads) = (told(nodes)?, told(leads)?);
        let others = nodes.iter().filter(|node| node.id != shared.id);
        shared.sight.note(others, Instant::now());
        if leads && !self.cluster.leads() {
            tracing::info!("this node leads: it does what only one node does");
            shared.leads.send_replace(true);
        }
        Some(())
    }

    async fn hear(&self, member: &Member, hearing: &mut Hearing) {
        while let Some(first) = hearing.next().await {
            let mut applied = Vec::new();
            self.take(first, &mut applied);
            while applied.len() < TOGETHER
                && let Some(next) = hearing.waiting()
            {
                self.take(next, &mut applied);
            }
            if !applied.is_empty() && told(member.acknowledge(&applied).await).is_none() {
                return;
            }
        }
    }

    fn take(&self, told: Told, applied: &mut Vec<Written>) {
        let shared = &self.cluster.0;
        match told {
            Told::Changed(written, heard) => {
                self.apply(&heard);
                shared.recent.note(written.revision);
                shared.revision.fetch_max(written.revision, Ordering::Relaxed);
                join(applied, written);
            }
            Told::Applied(node, written) => shared.acks.note(node, &written),
            Told::Message(Message::Asks { from, number, question }) => {
                self.cluster.be_asked(from, number, question);
            }
            Told::Message(Message::Replies { number, reply }) => shared.asking.hear(number, reply),
        }
    }

    fn apply(&self, heard: &Heard) {
        match heard {
            Heard::Change(change) => self.cluster.0.verifier.apply(change),
            Heard::People => self.control.end_set_up(),
            Heard::Everything => self.cluster.0.verifier.forget_all(),
        }
    }

    fn end_of_lease(&self, since: u64) -> u64 {
        since.saturating_add(u64::try_from(self.cluster.0.lease.as_millis()).unwrap_or(u64::MAX))
    }

    /// Says when the lease is over, and lets go of what is of no more use.
    async fn watch(&self) {
        let (shared, mut had) = (&self.cluster.0, false);
        loop {
            let has = shared.verifier.has_lease();
            if had && !has {
                shared.measures.leases_lost.fetch_add(1, Ordering::Relaxed);
                shared.verifier.forget_all();
                tracing::warn!("the lease of this node is over: each request is answered from the database");
            } else if has && !had {
                tracing::info!("this node has a lease, and answers from memory");
            }
            had = has;
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Adds what was applied; of one transaction the last revision stands for those before it.
fn join(applied: &mut Vec<Written>, written: Written) {
    match applied.last_mut() {
        Some(last) if last.transaction == written.transaction => {
            last.revision = last.revision.max(written.revision);
        }
        _ => applied.push(written),
    }
}

/// What was answered. If nothing was, the connection is of no use any more.
fn told<T>(answer: Result<T, keystile_store::StoreError>) -> Option<T> {
    answer
        .inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, "the connection of this node does not answer");
        })
        .ok()
}
