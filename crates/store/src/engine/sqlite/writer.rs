//! The writer thread: group commit.
//!
//! Whatever waits while one transaction is being committed goes into the next one together. Each job runs
//! in its own savepoint, so one that fails leaves the others alone; nobody is answered before the commit is
//! on the disk.

use rusqlite::Connection;
use tokio::sync::mpsc::Receiver;

use super::job::{Job, Message};

/// Most jobs in one transaction: far more than arrive during one commit, and few enough that the first of
/// them is not kept waiting for long.
const MAX_BATCH: usize = 256;

/// Commits what comes until the queue is closed and empty, then moves the log into the data file.
pub(super) fn serve(mut connection: Connection, mut queue: Receiver<Message>) {
    while let Some(message) = queue.blocking_recv() {
        match message {
            Message::Job(job) => commit_batch(&mut connection, job, &mut queue),
            Message::Close => queue.close(),
        }
    }
    let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = checkpoint {
        tracing::warn!(%error, "the write-ahead log was not moved into the data file; the next start does it");
    }
}

fn commit_batch(connection: &mut Connection, first: Box<dyn Job>, queue: &mut Receiver<Message>) {
    let mut jobs = vec![first];
    let lost = match run_batch(connection, &mut jobs, queue) {
        Ok(()) => None,
        Err(error) => {
            roll_back(connection);
            tracing::error!(%error, jobs = jobs.len(), "a transaction was lost");
            Some(error.to_string())
        }
    };
    for job in jobs {
        job.answer(lost.as_deref());
    }
}

fn run_batch(
    connection: &mut Connection,
    jobs: &mut Vec<Box<dyn Job>>,
    queue: &mut Receiver<Message>,
) -> rusqlite::Result<()> {
    run(connection, "BEGIN IMMEDIATE")?;
    let mut next = 0;
    while let Some(job) = jobs.get_mut(next) {
        run_in_savepoint(connection, job.as_mut())?;
        next += 1;
        if next < MAX_BATCH {
            jobs.extend(waiting(queue));
        }
    }
    run(connection, "COMMIT")
}

/// A serious failure, such as a full disk, makes SQLite roll the whole transaction back by itself.
fn run_in_savepoint(connection: &mut Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    run(connection, "SAVEPOINT job")?;
    let succeeded = job.run(connection);
    if connection.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
            Some("the engine rolled the transaction back".to_owned()),
        ));
    }
    if !succeeded {
        run(connection, "ROLLBACK TO job")?;
    }
    run(connection, "RELEASE job")
}

fn waiting(queue: &mut Receiver<Message>) -> Option<Box<dyn Job>> {
    match queue.try_recv() {
        Ok(Message::Job(job)) => Some(job),
        Ok(Message::Close) => {
            queue.close();
            None
        }
        Err(_) => None,
    }
}

fn roll_back(connection: &Connection) {
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = run(connection, "ROLLBACK") {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
