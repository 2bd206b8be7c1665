//! One transaction on its way to a thread and back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::doubt::Transaction;
use crate::tx::{Tx, Work};
use crate::{Doubt, StoreError};

/// How long a caller waits for room in a full queue before it is told that the store is unavailable.
const QUEUE_WAIT: Duration = Duration::from_secs(5);

/// How long a caller waits for what was read, as long as PostgreSQL lets a statement run. Reads take microseconds; a disk that
/// hangs may take forever. A write is waited for until it is known whether it was committed.
const READ_WAIT: Duration = Duration::from_secs(10);

/// What a thread receives.
pub(super) enum Message {
    /// Work.
    Job(Box<dyn Job>),
    /// Take nothing more; end when the queue is empty.
    Close,
}

/// A transaction's body with its caller waiting.
pub(super) trait Job: Send {
    /// Runs the body and says whether it succeeded.
    fn run(&mut self, connection: &mut Connection) -> bool;

    /// Gives the result to the caller, or tells how the whole transaction was lost.
    fn answer(self: Box<Self>, lost: Option<&Lost>);
}

/// Why a transaction was lost.
pub(super) enum Lost {
    /// Nothing of it was written that could be taken for all of it.
    Undone(String),
    /// All of it may be in the file, but not for sure.
    InDoubt(String),
}

impl Lost {
    fn error(&self) -> StoreError {
        match self {
            Self::Undone(why) => StoreError::unavailable(why.clone()),
            Self::InDoubt(why) => {
                StoreError::InDoubt { doubt: Doubt(Transaction::OfFile), source: why.clone().into() }
            }
        }
    }
}

struct Task<A, R> {
    args: A,
    work: Work<A, R>,
    result: Option<Result<R, StoreError>>,
    reply: oneshot::Sender<Result<R, StoreError>>,
}

impl<A: Send, R: Send> Job for Task<A, R> {
    fn run(&mut self, connection: &mut Connection) -> bool {
        let body = AssertUnwindSafe(|| poll_once(&mut self.args, self.work, connection));
        let result = catch_unwind(body).unwrap_or_else(|_| Err(refused("its caller panicked")));
        let succeeded = result.is_ok();
        self.result = Some(result);
        succeeded
    }

    fn answer(self: Box<Self>, lost: Option<&Lost>) {
        let result = match (lost, self.result) {
            (None, Some(result)) => result,
            (None, None) => Err(refused("it was never run")),
            (Some(lost), _) => Err(lost.error()),
        };
        // Nobody to tell when the caller has gone away.
        let _gone = self.reply.send(result);
    }
}

/// On SQLite nothing waits, so one poll completes the body.
fn poll_once<A, R>(args: &mut A, work: Work<A, R>, connection: &mut Connection) -> Result<R, StoreError> {
    let mut tx = Tx::Sqlite(connection);
    let mut body = work(args, &mut tx);
    match body.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(refused("it waited for something else than the database")),
    }
}

/// Hands the work to the thread behind `queue` and waits for the answer.
pub(super) async fn submit<A, R>(
    queue: &mpsc::Sender<Message>,
    args: A,
    work: Work<A, R>,
) -> Result<R, StoreError>
where
    A: Send + 'static,
    R: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Message::Job(Box::new(Task { args, work, result: None, reply }));
    match queue.try_send(job) {
        Ok(()) => {}
        Err(TrySendError::Full(job)) => {
            queue
                .send_timeout(job, QUEUE_WAIT)
                .await
                .map_err(|_| StoreError::unavailable("too many wait"))?;
        }
        Err(TrySendError::Closed(_)) => return Err(closed()),
    }
    answer.await.unwrap_or_else(|_| Err(closed()))
}

/// Like [`submit`], for work that changes nothing and need not be waited for to its end.
pub(super) async fn submit_read<A, R>(
    queue: &mpsc::Sender<Message>,
    args: A,
    work: Work<A, R>,
) -> Result<R, StoreError>
where
    A: Send + 'static,
    R: Send + 'static,
{
    let read = tokio::time::timeout(READ_WAIT, submit(queue, args, work)).await;
    read.unwrap_or_else(|_| Err(StoreError::unavailable("the disk does not answer")))
}

fn refused(why: &str) -> StoreError {
    StoreError::Refused(format!("the transaction is broken: {why}"))
}

fn closed() -> StoreError {
    StoreError::unavailable("the store was closed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_is_never_answered_is_given_up() {
        let (queue, _never_served) = mpsc::channel(1);
        let work: Work<(), ()> = |(), _| Box::pin(async { Ok(()) });
        let read = submit_read(&queue, (), work).await;
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    }
}
