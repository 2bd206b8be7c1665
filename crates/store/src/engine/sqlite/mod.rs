//! SQLite: one writer thread with group commit, and readers beside it.

mod connection;
mod job;
mod reader;
mod statement;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::tx::Work;
use crate::{Load, OpenError, StoreError};
use job::Message;

pub(crate) use connection::open_beside;
pub(crate) use statement::{each, execute, execute_all, query, query_all, script};

/// Writes that may wait. One batch that is being committed and some that wait behind it; more would only
/// make callers wait longer for the same disk.
const WRITE_QUEUE: usize = 1024;
/// Reads that may wait. Each takes microseconds.
const READ_QUEUE: usize = 1024;
/// Reader threads. A read takes microseconds, so a few threads outrun any caller; each costs one
/// connection with its page cache.
const READERS: std::ops::RangeInclusive<usize> = 2..=4;

/// The threads of one data file.
pub(crate) struct Engine {
    writer: mpsc::Sender<Message>,
    readers: mpsc::Sender<Message>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    writer: Option<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Engine {
    pub(crate) async fn open(path: &Path) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::start(&path)).await;
        opened.map_err(|failed| OpenError::Store(StoreError::unavailable(failed)))?
    }

    /// Every thread holds the lock of the data file, so it is free again when the last one has ended.
    fn start(path: &Path) -> Result<Self, OpenError> {
        let lock = Arc::new(connection::claim(path)?);
        let (writer, writes) = mpsc::channel(WRITE_QUEUE);
        let (readers, reads) = mpsc::channel(READ_QUEUE);
        let mut threads = Threads::default();
        let (connection, held) = (connection::open_writer(path)?, Arc::clone(&lock));
        threads.writer = Some(spawn("store-writer", path, move || {
            writer::serve(connection, writes);
            drop(held);
        })?);
        let reads = Arc::new(Mutex::new(reads));
        for _ in
            0..thread::available_parallelism().map_or(1, usize::from).clamp(*READERS.start(), *READERS.end())
        {
            let (connection, held) = (connection::open_reader(path)?, Arc::clone(&lock));
            let reads = Arc::clone(&reads);
            threads.readers.push(spawn("store-reader", path, move || {
                reader::serve(connection, &reads);
                drop(held);
            })?);
        }
        Ok(Self { writer, readers, threads: Mutex::new(threads) })
    }

    pub(crate) async fn write<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        job::submit(&self.writer, args, work).await
    }

    pub(crate) async fn read<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        job::submit_read(&self.readers, args, work).await
    }

    /// What waits now.
    pub(crate) fn load(&self) -> Load {
        let waiting = |queue: &mpsc::Sender<Message>| queue.max_capacity() - queue.capacity();
        Load::Sqlite { writes_waiting: waiting(&self.writer), reads_waiting: waiting(&self.readers) }
    }

    /// Finishes what is queued, ends the readers, and then the writer, whose checkpoint nobody disturbs.
    pub(crate) async fn close(&self) {
        let _closed_before = self.readers.send(Message::Close).await;
        let readers = std::mem::take(&mut self.threads.lock().readers);
        join(readers).await;
        let _closed_before = self.writer.send(Message::Close).await;
        let writer = self.threads.lock().writer.take();
        join(writer).await;
    }
}

fn spawn(
    name: &str,
    path: &Path,
    serve: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OpenError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(serve);
    started.map_err(|source| OpenError::File { path: path.to_owned(), source: source.into() })
}

async fn join(threads: impl IntoIterator<Item = JoinHandle<()>> + Send + 'static) {
    let joined = tokio::task::spawn_blocking(move || {
        threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
    });
    match joined.await {
        Ok(0) => {}
        Ok(_) | Err(_) => tracing::error!("a thread of the store ended with a panic"),
    }
}
