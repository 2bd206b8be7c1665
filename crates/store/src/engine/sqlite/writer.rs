//! The writer thread: group commit.
//!
//! Whatever waits while one transaction is being committed goes into the next one together. Each job runs
//! in its own savepoint, so one that fails leaves the others alone; nobody is answered before the commit is
//! on the disk. The first one needs none, as with it nothing but its own is undone: for a savepoint SQLite copies each page
//! that it changes, into a file beside if they are many, which costs as much as writing them.

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::mpsc::Receiver;

use super::job::{Job, Lost, Message};

/// Most jobs in one transaction: far more than arrive during one commit, and few enough that the first of
/// them is not kept waiting for long.
const MAX_BATCH: usize = 256;

/// Commits what comes until the queue is closed and empty, then moves the log into the data file.
pub(super) fn serve(mut connection: Connection, mut queue: Receiver<Message>) {
    while let Some(message) = queue.blocking_recv() {
        match message {
            Message::Job(job) => commit_batch(&mut connection, job, &mut queue, commit),
            Message::Close => queue.close(),
        }
    }
    let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    if let Err(error) = checkpoint {
        tracing::warn!(%error, "the write-ahead log was not moved into the data file; the next start does it");
    }
}

fn commit_batch(
    connection: &mut Connection,
    first: Box<dyn Job>,
    queue: &mut Receiver<Message>,
    commit: fn(&Connection) -> rusqlite::Result<()>,
) {
    let mut jobs = vec![first];
    let done = match run_batch(connection, &mut jobs, queue) {
        Ok(()) => commit(connection).map_err(|error| lost_in_commit(&error)),
        Err(error) => Err(Lost::Undone(error.to_string())),
    };
    if let Err(Lost::Undone(error) | Lost::InDoubt(error)) = &done {
        roll_back(connection);
        tracing::error!(error, jobs = jobs.len(), "a transaction was lost");
    }
    for job in jobs {
        job.answer(done.as_ref().err());
    }
}

fn commit(connection: &Connection) -> rusqlite::Result<()> {
    run(connection, "COMMIT")
}

/// The mark that makes a transaction count is written last. When writing fails, it is not in the file; when a later
/// step fails, such as getting it all to the disk, it may be found there after a restart.
fn lost_in_commit(error: &rusqlite::Error) -> Lost {
    let unwritten = error.sqlite_error().is_some_and(|failure| {
        failure.code != ErrorCode::SystemIoFailure || failure.extended_code == ffi::SQLITE_IOERR_WRITE
    });
    if unwritten { Lost::Undone(error.to_string()) } else { Lost::InDoubt(error.to_string()) }
}

fn run_batch(
    connection: &mut Connection,
    jobs: &mut Vec<Box<dyn Job>>,
    queue: &mut Receiver<Message>,
) -> rusqlite::Result<()> {
    run(connection, "BEGIN IMMEDIATE")?;
    let (mut next, mut is_empty) = (0, true);
    while let Some(job) = jobs.get_mut(next) {
        if is_empty {
            is_empty = !run_first(connection, job.as_mut())?;
        } else {
            run_in_savepoint(connection, job.as_mut())?;
        }
        next += 1;
        if next < MAX_BATCH {
            jobs.extend(waiting(queue));
        }
    }
    Ok(())
}

/// Runs a job in a transaction in which there is nothing else, and says whether it succeeded.
fn run_first(connection: &mut Connection, job: &mut dyn Job) -> rusqlite::Result<bool> {
    let succeeded = run_job(connection, job)?;
    if !succeeded {
        run(connection, "ROLLBACK")?;
        run(connection, "BEGIN IMMEDIATE")?;
    }
    Ok(succeeded)
}

fn run_in_savepoint(connection: &mut Connection, job: &mut dyn Job) -> rusqlite::Result<()> {
    run(connection, "SAVEPOINT job")?;
    if !run_job(connection, job)? {
        run(connection, "ROLLBACK TO job")?;
    }
    run(connection, "RELEASE job")
}

/// A serious failure, such as a full disk, makes SQLite roll the whole transaction back by itself.
fn run_job(connection: &mut Connection, job: &mut dyn Job) -> rusqlite::Result<bool> {
    let succeeded = job.run(connection);
    if connection.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK),
            Some("the engine rolled the transaction back".to_owned()),
        ));
    }
    Ok(succeeded)
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::engine::sqlite::job::submit;
    use crate::tx::{Tx, Work};
    use crate::{Doubt, StoreError};

    const INSERT: Work<(), u64> =
        |(), tx: &mut Tx<'_>| Box::pin(tx.execute("INSERT INTO rows VALUES (1)", &[]));
    const INSERT_AND_FAIL: Work<(), u64> = |(), tx: &mut Tx<'_>| Box::pin(insert_and_fail(tx));

    async fn insert_and_fail(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
        tx.execute("INSERT INTO rows VALUES (2)", &[]).await?;
        Err(StoreError::Refused("it thought better of it".to_owned()))
    }

    fn fails_with(code: i32) -> rusqlite::Result<()> {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
    }

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE rows (one INTEGER)").unwrap();
        connection
    }

    /// Commits one row by `commit`; gives the answer, and how many rows there are then.
    async fn written(commit: fn(&Connection) -> rusqlite::Result<()>) -> (Result<u64, StoreError>, i64) {
        let mut connection = table();
        let (sender, mut queue) = mpsc::channel(1);
        let answer = tokio::spawn(async move { submit(&sender, (), INSERT).await });
        let Some(Message::Job(job)) = queue.recv().await else { panic!("no job came") };
        commit_batch(&mut connection, job, &mut queue, commit);
        let rows = connection.query_row("SELECT count(*) FROM rows", [], |row| row.get(0)).unwrap();
        (answer.await.unwrap(), rows)
    }

    #[tokio::test]
    async fn a_commit_that_may_have_reached_the_disk_is_in_doubt_and_no_other() {
        assert!(matches!(written(commit).await, (Ok(1), 1)));
        for fails in [
            |_: &Connection| fails_with(ffi::SQLITE_IOERR_FSYNC),
            |_: &Connection| fails_with(ffi::SQLITE_IOERR),
        ] {
            let (answer, rows) = written(fails).await;
            let doubt = Doubt(crate::doubt::Transaction::OfFile);
            assert!(matches!(answer, Err(StoreError::InDoubt { doubt: found, .. }) if found == doubt));
            assert_eq!(rows, 0, "nobody sees it");
        }
        for fails in [
            |_: &Connection| fails_with(ffi::SQLITE_FULL),
            |_: &Connection| fails_with(ffi::SQLITE_IOERR_WRITE),
        ] {
            let (answer, rows) = written(fails).await;
            assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
            assert_eq!(rows, 0);
        }
    }

    #[tokio::test]
    async fn a_job_that_fails_leaves_the_others_alone_wherever_it_stands() {
        const JOBS: usize = 4;
        for fails in 0..1_u32 << JOBS {
            let (sender, mut queue) = mpsc::channel(JOBS);
            let submitted = |place: usize| {
                let work = if fails & (1 << place) == 0 { INSERT } else { INSERT_AND_FAIL };
                let sender = sender.clone();
                tokio::spawn(async move { submit(&sender, (), work).await })
            };
            let answers: Vec<_> = (0..JOBS).map(submitted).collect();
            let (all, mut rest) = mpsc::channel(JOBS);
            for _ in 0..JOBS {
                assert!(all.try_send(queue.recv().await.unwrap()).is_ok());
            }
            let Some(Message::Job(first)) = rest.recv().await else { panic!("no job came") };
            let mut connection = table();
            commit_batch(&mut connection, first, &mut rest, commit);
            let mut succeeded = 0;
            for (place, answer) in answers.into_iter().enumerate() {
                let answer = answer.await.unwrap();
                assert_eq!(answer.is_err(), fails & (1 << place) != 0, "{fails:b}: {answer:?}");
                succeeded += i64::from(answer.is_ok());
            }
            let rows: Vec<i64> = ["one = 1", "one = 2"]
                .map(|kind| format!("SELECT count(*) FROM rows WHERE {kind}"))
                .map(|sql| connection.query_row(&sql, [], |row| row.get(0)).unwrap())
                .into();
            assert_eq!(rows, [succeeded, 0], "{fails:b}");
        }
    }
}
