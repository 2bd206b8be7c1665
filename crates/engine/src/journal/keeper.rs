//! The task that writes the journal.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::KeyId;
use keystile_store::{Store, StoreError, UntoldEnd};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::file::JournalFile;

/// Changes that wait for the journal; far more than can be under way. Whoever finds no place waits for one.
const WAITING: usize = 4096;
/// Changes that are written together.
const AT_ONCE: u32 = 1000;
/// Pause between two looks for changes that nobody waits for, such as one that was in doubt and has happened.
const PAUSE: Duration = Duration::from_secs(5);

/// Whoever waits until the journal was told of what is committed.
type Waiter = oneshot::Sender<bool>;

/// What those who change keys have of the journal; clones are the same.
#[derive(Clone)]
pub(crate) struct Telling(mpsc::Sender<Waiter>);

/// The journal was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revocation journal cannot be written")]
pub(crate) struct Untold;

impl Telling {
    /// Returns when the journal was told of everything that was committed before this call.
    pub(crate) async fn told(&self) -> Result<(), Untold> {
        let (waiter, answer) = oneshot::channel();
        self.0.send(waiter).await.map_err(|_| Untold)?;
        match answer.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Untold),
        }
    }

    /// Where nobody keeps a journal and nothing has to be told.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self(mpsc::channel(1).0)
    }
}

/// The task that writes.
pub(crate) struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(store: Store, journal: JournalFile) -> (Self, Telling) {
        let (telling, waiting) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel();
        let journal = Arc::new(Mutex::new(journal));
        let keeping = Keeping { store, journal, told: HashSet::new(), works: true };
        (Self { stop, task: tokio::spawn(run(keeping, waiting, stopped)) }, Telling(telling))
    }

    /// Tells the journal of what is left, and ends. Nothing is told afterwards.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the keeping of the revocation journal ended with a panic");
        }
    }
}

async fn run(mut keeping: Keeping, mut waiting: mpsc::Receiver<Waiter>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let mut waiters = Vec::new();
        let is_last = tokio::select! {
            Some(waiter) = waiting.recv() => {
                waiters.push(waiter);
                false
            }
            _ = &mut stopped => true,
            () = tokio::time::sleep(PAUSE) => false,
        };
        while let Ok(waiter) = waiting.try_recv() {
            waiters.push(waiter);
        }
        keeping.round(waiters).await;
        if is_last {
            return;
        }
    }
}

/// What writing takes.
struct Keeping {
    store: Store,
    journal: Arc<Mutex<JournalFile>>,
    /// What is in the journal, and whose notes may be in the database still.
    told: HashSet<(KeyId, i64)>,
    /// Whether the last round succeeded.
    works: bool,
}

/// Why the journal is not told.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("what to tell cannot be read or noted")]
    Store(#[from] StoreError),
    #[error("the file cannot be written")]
    File(#[from] std::io::Error),
    #[error("the writing was interrupted")]
    Interrupted,
}

impl Keeping {
    /// Tells the journal of all that is committed, answers those who wait, and removes the notes.
    async fn round(&mut self, waiters: Vec<Waiter>) {
        let written = self.write_all().await;
        for waiter in waiters {
            // Whoever has gone away does not wait.
            let _gone = waiter.send(written.is_ok());
        }
        let done = match written {
            Ok(()) => self.remove_notes().await.map_err(Trouble::from),
            Err(trouble) => Err(trouble),
        };
        match (&done, self.works) {
            (Err(error), true) => {
                let error: &dyn std::error::Error = error;
                tracing::error!(
                    error,
                    "the revocation journal cannot be written: changes that end keys hold, and are answered with an error"
                );
            }
            (Ok(()), false) => tracing::info!("the revocation journal is written again"),
            (Ok(()), true) | (Err(_), false) => {}
        }
        self.works = done.is_ok();
    }

    async fn write_all(&mut self) -> Result<(), Trouble> {
        loop {
            let found = self.store.untold_ends(AT_ONCE).await?;
            let is_full = u32::try_from(found.len()).is_ok_and(|found| found >= AT_ONCE);
            self.write(found).await?;
            if !is_full {
                return Ok(());
            }
            self.remove_notes().await?;
        }
    }

    async fn write(&mut self, found: Vec<UntoldEnd>) -> Result<(), Trouble> {
        let new: Vec<UntoldEnd> =
            found.into_iter().filter(|end| !self.told.contains(&(end.key_id, end.version))).collect();
        if new.is_empty() {
            return Ok(());
        }
        let places: Vec<_> = new.iter().map(|end| (end.key_id, end.version)).collect();
        let lines: Vec<_> = new.into_iter().flat_map(|end| end.lines).collect();
        let journal = Arc::clone(&self.journal);
        let written = tokio::task::spawn_blocking(move || journal.lock().append(&lines)).await;
        written.map_err(|_| Trouble::Interrupted)??;
        self.told.extend(places);
        Ok(())
    }

    async fn remove_notes(&mut self) -> Result<(), StoreError> {
        if self.told.is_empty() {
            return Ok(());
        }
        self.store.ends_told(self.told.iter().copied().collect()).await?;
        self.told.clear();
        Ok(())
    }
}
