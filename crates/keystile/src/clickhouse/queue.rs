//! Requests that wait for a sink that may be slow or away, so that whoever logs them need not.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::LoggedRequest;
use keystile_engine::{NotLogged, ROWS_PER_WRITE, RequestSink};
use keystile_verify::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::measures::Measures;

/// Most requests that wait: some 45 megabytes, 115 when all paths and user agents are as long as they may be. That is how long the
/// sink may be away before some are left out: nearly two minutes at a thousand requests a second.
pub(super) const ROWS_WAITING: usize = 100_000;
/// Pause after a first failure, which each further one doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause: so much longer than the sink is away may its requests wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longest a last attempt may take when the server stops.
const LAST: Duration = Duration::from_secs(5);

/// The task that sends what waits.
pub(crate) struct Queue {
    waiting: Arc<Waiting>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What waits.
pub(super) struct Waiting {
    rows: Mutex<Rows>,
    added: Notify,
    measures: Arc<Measures>,
}

#[derive(Default)]
struct Rows {
    batches: VecDeque<Arc<[LoggedRequest]>>,
    /// What is being sent. It stays as it is until its fate is known, so that the sink knows a repetition.
    sending: Option<Arc<[LoggedRequest]>>,
    /// All of them.
    count: usize,
}

impl Queue {
    /// Begins to send to `sink`. Needs a Tokio runtime.
    pub(super) fn start(sink: Arc<dyn RequestSink>, measures: Arc<Measures>) -> Self {
        let waiting = Arc::new(Waiting { rows: Mutex::default(), added: Notify::new(), measures });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(Arc::clone(&waiting), sink, stopped));
        Self { waiting, stop, task }
    }

    pub(super) const fn waiting(&self) -> &Arc<Waiting> {
        &self.waiting
    }

    /// Tries once more to send what waits, and ends.
    pub(super) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the sending of requests to ClickHouse ended with a panic");
        }
    }
}

/// What waits is as safe as memory is.
impl RequestSink for Waiting {
    fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
        let added = self.add(rows);
        Box::pin(async move { added })
    }
}

/// Warnings show the sink.
impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClickHouse")
    }
}

impl Waiting {
    /// How many wait.
    pub(super) fn count(&self) -> usize {
        self.rows.lock().count
    }

    fn add(&self, batch: Arc<[LoggedRequest]>) -> Result<(), NotLogged> {
        let mut rows = self.rows.lock();
        if rows.count + batch.len() > ROWS_WAITING {
            self.measures.leave_out(batch.len());
            return Err(NotLogged::Unavailable);
        }
        rows.count += batch.len();
        rows.batches.push_back(batch);
        self.added.notify_one();
        Ok(())
    }

    /// What is to be sent: the same again until it is [`Self::done`].
    fn next(&self) -> Option<Arc<[LoggedRequest]>> {
        let mut rows = self.rows.lock();
        if rows.sending.is_none() {
            rows.sending = rows.gathered();
        }
        rows.sending.clone()
    }

    fn done(&self) {
        let mut rows = self.rows.lock();
        if let Some(sent) = rows.sending.take() {
            rows.count -= sent.len();
        }
    }
}

impl Rows {
    /// Takes what came first, with as much behind it as one insert may have: few large inserts are what ClickHouse is made for.
    fn gathered(&mut self) -> Option<Arc<[LoggedRequest]>> {
        let first = self.batches.pop_front()?;
        let mut all = Vec::new();
        while let Some(next) = self.batches.front()
            && first.len() + all.len() + next.len() <= ROWS_PER_WRITE
        {
            all.extend_from_slice(next);
            self.batches.pop_front();
        }
        if all.is_empty() { Some(first) } else { Some(first.iter().cloned().chain(all).collect()) }
    }
}

async fn run(waiting: Arc<Waiting>, sink: Arc<dyn RequestSink>, mut stopped: oneshot::Receiver<()>) {
    tokio::select! {
        // What was being sent is sent once more below, if its fate is not known.
        _ = &mut stopped => {}
        () = send_all(&waiting, sink.as_ref()) => {}
    }
    let last = send_the_last(&waiting, sink.as_ref());
    // Whether it was in time shows in what is left.
    let _in_time = tokio::time::timeout(LAST, last).await;
    let left = waiting.count();
    if left > 0 {
        waiting.measures.leave_out(left);
        tracing::warn!(requests = left, "requests are missing in ClickHouse, which did not take them");
    }
}

/// Sends what waits, and what will come; never ends.
async fn send_all(waiting: &Waiting, sink: &dyn RequestSink) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(rows) = waiting.next() else {
            waiting.added.notified().await;
            continue;
        };
        match sink.write(rows).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(NotLogged::Refused) => {}
            Err(NotLogged::Unavailable) => {
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                continue;
            }
        }
        waiting.done();
    }
}

/// Sends what waits until there is no more, or the sink is away.
async fn send_the_last(waiting: &Waiting, sink: &dyn RequestSink) {
    while let Some(rows) = waiting.next() {
        match sink.write(rows).await {
            Ok(()) | Err(NotLogged::Refused) => waiting.done(),
            Err(NotLogged::Unavailable) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{LogFace, LogId, TenantId, Timestamp};

    use super::*;

    /// Keeps what it is given, or never answers.
    #[derive(Debug, Default)]
    struct Kept {
        hangs: bool,
        rows: Mutex<Vec<LogId>>,
    }

    impl RequestSink for Kept {
        fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
            if self.hangs {
                return Box::pin(std::future::pending());
            }
            self.rows.lock().extend(rows.iter().map(|row| row.id));
            Box::pin(async { Ok(()) })
        }
    }

    fn batch(first: usize, count: usize) -> Arc<[LoggedRequest]> {
        let id = |number: usize| LogId::from_parts(Timestamp::from_millis(7), number as u128);
        let row =
            |number| LoggedRequest::new(id(number), TenantId::from_u128(1), LogFace::Authz, "allowed".into());
        (first..first + count).map(row).collect()
    }

    fn waiting() -> Waiting {
        Waiting { rows: Mutex::default(), added: Notify::new(), measures: Arc::default() }
    }

    #[test]
    fn small_batches_become_one_that_stays_as_it_is_until_it_is_sent() {
        let waiting = waiting();
        for (first, count) in [(0, 1), (1, 2), (3, ROWS_PER_WRITE - 1), (ROWS_PER_WRITE + 2, 1)] {
            waiting.add(batch(first, count)).unwrap();
        }
        let sent = waiting.next().unwrap();
        assert_eq!(sent.len(), 3);
        waiting.add(batch(ROWS_PER_WRITE + 3, 1)).unwrap();
        assert!(Arc::ptr_eq(&sent, &waiting.next().unwrap()), "a repetition must be the same");
        waiting.done();
        assert_eq!((waiting.next().unwrap().len(), waiting.count()), (ROWS_PER_WRITE, ROWS_PER_WRITE + 1));
        waiting.done();
        assert_eq!(waiting.next().unwrap().len(), 1);
        waiting.done();
        assert!(waiting.next().is_none() && waiting.count() == 0);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_and_what_finds_no_room_is_counted() {
        let measures = Arc::<Measures>::default();
        let queue = Queue::start(Arc::new(Kept { hangs: true, ..Kept::default() }), Arc::clone(&measures));
        let batch = batch(0, ROWS_PER_WRITE);
        for _ in 0..ROWS_WAITING / ROWS_PER_WRITE {
            queue.waiting().write(Arc::clone(&batch)).await.unwrap();
        }
        let refused = queue.waiting().write(batch).await;
        assert_eq!((refused, queue.waiting().count()), (Err(NotLogged::Unavailable), ROWS_WAITING));
        assert_eq!(measures.taken_and_missing(), (0, ROWS_PER_WRITE as u64));
    }

    #[tokio::test]
    async fn a_stop_sends_what_waits() {
        let sink = Arc::<Kept>::default();
        let queue = Queue::start(Arc::<Kept>::clone(&sink), Arc::default());
        for first in 0..7 {
            queue.waiting().write(batch(first, 1)).await.unwrap();
        }
        queue.stop().await;
        let sent: Vec<_> = batch(0, 7).iter().map(|row| row.id).collect();
        assert_eq!(*sink.rows.lock(), sent, "each once, in order");
    }
}
