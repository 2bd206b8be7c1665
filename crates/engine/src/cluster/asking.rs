//! Asking another node, and being asked, by notifications: nodes need not reach each other, only the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::NodeId;
use keystile_store::{Member, Message, Question, Reply, StoreError};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::Cluster;
use crate::holds::answer;

/// Longest that one question waits for its answer: two notifications and a write of the ledger.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_millis(500);
/// Messages that wait to be sent. What finds no room is not said; whoever has asked asks again.
const WAITING: usize = 4_096;
/// Most messages that are sent together.
const TOGETHER: usize = 256;
/// Most questions that are answered at the same time; more than that are left to be asked again.
const ANSWERED_AT_ONCE: u32 = 512;

/// What is to be said to others, for whoever has the connection.
pub(crate) type Outbox = mpsc::Receiver<Outgoing>;

/// A message on its way out.
pub(crate) struct Outgoing {
    to: NodeId,
    message: Message,
    /// Nobody waits for it any more from then on.
    until: Instant,
}

/// What this node has asked, and what it is asked.
pub(super) struct Asking {
    outgoing: mpsc::Sender<Outgoing>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Reply>>>,
    next: AtomicU64,
    answering: Arc<Semaphore>,
}

impl Asking {
    pub(super) fn new() -> (Self, Outbox) {
        let (outgoing, outbox) = mpsc::channel(WAITING);
        let answering = Arc::new(Semaphore::new(ANSWERED_AT_ONCE as usize));
        (Self { outgoing, waiting: Mutex::default(), next: AtomicU64::new(0), answering }, outbox)
    }

    /// Says it, if there is room.
    fn say(&self, to: NodeId, message: Message) {
        let until = Instant::now() + ANSWERED_WITHIN;
        if self.outgoing.try_send(Outgoing { to, message, until }).is_err() {
            tracing::debug!("a message to another node found no room");
        }
    }

    /// A question was answered; if nobody waits any more, nothing happens.
    pub(super) fn hear(&self, number: u64, reply: Reply) {
        if let Some(waiting) = self.waiting.lock().remove(&number) {
            drop(waiting.send(reply));
        }
    }
}

/// A question that waits for its answer.
struct Waiting<'a> {
    asking: &'a Asking,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.asking.waiting.lock().remove(&self.number);
    }
}

impl Cluster {
    /// Asks a node; `None` if it has not answered in time. It may do what it was asked for all the same.
    pub(crate) async fn ask(&self, node: NodeId, question: Question) -> Option<Reply> {
        let asking = &self.0.asking;
        let number = asking.next.fetch_add(1, Ordering::Relaxed);
        let (waiting, reply) = oneshot::channel();
        asking.waiting.lock().insert(number, waiting);
        let _waits = Waiting { asking, number };
        asking.say(node, Message::Asks { from: self.0.id, number, question });
        tokio::time::timeout(ANSWERED_WITHIN, reply).await.ok()?.ok()
    }

    /// Another node asks. It is answered beside everything else.
    pub(super) fn be_asked(&self, from: NodeId, number: u64, question: Question) {
        let Ok(place) = Arc::clone(&self.0.asking.answering).try_acquire_owned() else { return };
        let cluster = self.clone();
        tokio::spawn(async move {
            let reply = answer(&cluster.0.store, &cluster.0.verifier, question).await;
            cluster.0.asking.say(from, Message::Replies { number, reply });
            drop(place);
        });
    }

    /// Answers nobody any more: what this node has is left to others from now on. Waits for the answers that are being made.
    pub(crate) async fn answer_nobody(&self) {
        let answering = &self.0.asking.answering;
        let all = tokio::time::timeout(ANSWERED_WITHIN, answering.acquire_many(ANSWERED_AT_ONCE)).await;
        if all.is_err() {
            tracing::warn!("some questions of other nodes are being answered still");
        }
        answering.close();
    }
}

/// Sends what is to be said, many at a time where much is, for as long as the connection works.
pub(super) async fn send(member: &Member, outbox: &mut Outbox) -> Result<(), StoreError> {
    let mut some = Vec::with_capacity(TOGETHER);
    while outbox.recv_many(&mut some, TOGETHER).await > 0 {
        let now = Instant::now();
        let wanted = some.drain(..).filter(|outgoing| outgoing.until > now);
        let messages: Vec<_> = wanted.map(|outgoing| (outgoing.to, outgoing.message)).collect();
        member.tell(&messages).await?;
    }
    // Nobody says anything any more.
    std::future::pending().await
}
