//! The task that writes the journal.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keystile_core::{Clock, JournalLine};
use keystile_store::{EndPlace, Store, StoreError, UntoldEnd, UntoldEnds};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::opening::reopen;
use super::shared::Journal;
use crate::EngineError;

/// Changes that wait for the journal; far more than can be under way. Whoever finds no place waits for one.
const WAITING: usize = 4096;
/// Changes that are written together.
const AT_ONCE: u32 = 1000;
/// Pause between two looks for changes that nobody waits for, such as one that was in doubt and has happened.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest that anybody waits for the journal, whose disk may hang.
const LONGEST: Duration = Duration::from_secs(10);
/// For how long nobody has waited when notes are removed: a change that comes alone does not wait for that of the one before it.
const IDLE: Duration = Duration::from_millis(500);
/// Notes of which the journal was told, and which are removed though changes go on; few enough to be read once more with each round.
const REMAINING: usize = 256;
/// The same while many are told at once, and those who wait for it wait for that, too: as many as may be kept in memory.
const MOST_REMAINING: usize = 16_384;
/// Notes that one transaction removes.
const REMOVED_AT_ONCE: usize = 1000;

/// Whoever waits until the journal was told of what is committed.
type Waiter = oneshot::Sender<bool>;

/// What those who change keys have of the journal; clones are the same.
#[derive(Clone)]
pub(crate) struct Telling {
    to: mpsc::Sender<Waiter>,
    /// Whether the file could be written when it was written last.
    works: Arc<AtomicBool>,
}

/// The journal was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the revocation journal cannot be written")]
pub(crate) struct Untold;

impl Telling {
    /// Returns when the journal was told of everything that was committed before this call.
    pub(crate) async fn told(&self) -> Result<(), Untold> {
        let told = tokio::time::timeout(LONGEST, self.ask()).await;
        told.unwrap_or_else(|_| {
            // It hangs. The round that does so says more when it ends.
            self.works.store(false, Ordering::Relaxed);
            Err(Untold)
        })
    }

    /// Whether the journal could be written when it was written last.
    pub(crate) fn works(&self) -> bool {
        self.works.load(Ordering::Relaxed)
    }

    async fn ask(&self) -> Result<(), Untold> {
        let (waiter, answer) = oneshot::channel();
        self.to.send(waiter).await.map_err(|_| Untold)?;
        match answer.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Untold),
        }
    }

    /// Where nobody keeps a journal and nothing has to be told.
    #[cfg(test)]
    pub(crate) fn to_nobody() -> Self {
        Self { to: mpsc::channel(1).0, works: Arc::new(AtomicBool::new(true)) }
    }

    /// To a journal that hangs: whoever asks finds a place, and no answer comes as long as the second part lives.
    #[cfg(test)]
    fn to_one_that_hangs() -> (Self, mpsc::Receiver<Waiter>) {
        let (to, waiting) = mpsc::channel(1);
        (Self { to, works: Arc::new(AtomicBool::new(true)) }, waiting)
    }
}

/// The task that writes.
pub(crate) struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>, journal: Journal) -> (Self, Telling) {
        let (telling, waiting) = mpsc::channel(WAITING);
        let (stop, stopped) = oneshot::channel();
        let works = Arc::new(AtomicBool::new(true));
        let telling = Telling { to: telling, works: Arc::clone(&works) };
        let told = HashSet::new();
        let keeping = Keeping { store, clock, journal, told, works: true, writes: works, removes: true };
        (Self { stop, task: tokio::spawn(run(keeping, waiting, stopped)) }, telling)
    }

    /// Tells the journal of what is left, and ends. Nothing is told afterwards. What a disk that hangs keeps from it, the next start makes up for.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        match tokio::time::timeout(LONGEST, self.task).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => tracing::error!("the keeping of the revocation journal ended with a panic"),
            Err(_) => tracing::error!("the revocation journal hangs; the next start tells it the rest"),
        }
    }
}

async fn run(mut keeping: Keeping, mut waiting: mpsc::Receiver<Waiter>, mut stopped: oneshot::Receiver<()>) {
    loop {
        let mut waiters = Vec::new();
        let pause = keeping.pause();
        let why = tokio::select! {
            Some(waiter) = waiting.recv() => {
                waiters.push(waiter);
                Why::Asked
            }
            _ = &mut stopped => Why::Stopped,
            () = tokio::time::sleep(pause) => Why::Idle,
        };
        while let Ok(waiter) = waiting.try_recv() {
            waiters.push(waiter);
        }
        let is_told = keeping.round(waiters).await;
        if is_told && (why != Why::Asked || keeping.told.len() >= REMAINING) {
            keeping.remove_notes().await;
        }
        if why == Why::Stopped {
            return;
        }
    }
}

/// Why there is a round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Asked,
    Idle,
    Stopped,
}

/// What writing takes.
struct Keeping {
    store: Store,
    clock: Arc<dyn Clock>,
    journal: Journal,
    /// What is in the journal, and whose notes may be in the database still.
    told: HashSet<EndPlace>,
    /// Whether the last round succeeded.
    works: bool,
    /// Whether the file could be written when it was written last, for whoever asks.
    writes: Arc<AtomicBool>,
    /// Whether the last notes that were to be removed were.
    removes: bool,
}

/// Why the journal is not told.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("what to tell cannot be read")]
    Store(#[from] StoreError),
    #[error("the file cannot be opened again")]
    Again(#[from] EngineError),
    #[error("the file cannot be written")]
    File(#[from] std::io::Error),
    #[error("the writing was interrupted")]
    Interrupted,
}

impl Keeping {
    /// How long to wait for somebody who asks.
    fn pause(&self) -> Duration {
        if self.told.is_empty() || !self.works || !self.removes { PAUSE } else { IDLE }
    }

    /// Tells the journal of all that is committed, and answers those who wait. Tells whether that succeeded.
    async fn round(&mut self, waiters: Vec<Waiter>) -> bool {
        let written = self.write_all().await;
        for waiter in waiters {
            // Whoever has gone away does not wait.
            let _gone = waiter.send(written.is_ok());
        }
        match (&written, self.works) {
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
        self.works = written.is_ok();
        self.works
    }

    async fn write_all(&mut self) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let found = self.store.untold_ends(after, AT_ONCE, self.told.clone()).await?;
            let UntoldEnds { ends, next } = found;
            self.write(ends).await?;
            if next.is_none() {
                return Ok(());
            }
            after = next;
            if self.told.len() >= MOST_REMAINING {
                self.remove_notes().await;
            }
        }
    }

    async fn write(&mut self, new: Vec<UntoldEnd>) -> Result<(), Trouble> {
        if new.is_empty() {
            return Ok(());
        }
        let places: Vec<_> = new.iter().map(|end| end.place).collect();
        let lines: Vec<_> = new.into_iter().flat_map(|end| end.lines).collect();
        let written = self.append(lines).await;
        self.writes.store(written.is_ok(), Ordering::Relaxed);
        written?;
        self.told.extend(places);
        Ok(())
    }

    async fn append(&self, lines: Vec<JournalLine>) -> Result<(), Trouble> {
        if self.journal.is_let_go() {
            self.journal.take_again(reopen(self.journal.path(), &self.store, self.clock.now()).await?);
        }
        let journal = self.journal.clone();
        let written = tokio::task::spawn_blocking(move || journal.append(&lines)).await;
        Ok(written.map_err(|_| Trouble::Interrupted)??)
    }

    /// Removes the notes of what the journal was told, as far as the store answers; the rest is removed another time.
    async fn remove_notes(&mut self) {
        let told: Vec<EndPlace> = self.told.iter().copied().collect();
        for some in told.chunks(REMOVED_AT_ONCE) {
            let removed = self.store.ends_told(some.to_vec()).await;
            let removed_before = std::mem::replace(&mut self.removes, removed.is_ok());
            if let Err(error) = removed {
                let error: &dyn std::error::Error = &error;
                if removed_before {
                    tracing::warn!(
                        error,
                        "notes of what the revocation journal was told cannot be removed now; they will be when the store answers"
                    );
                }
                return;
            }
            for place in some {
                self.told.remove(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_disk_that_hangs() {
        let (telling, mut waiting) = Telling::to_one_that_hangs();
        assert!(telling.works());
        assert_eq!(telling.told().await, Err(Untold));
        assert!(!telling.works(), "whoever needs the journal is refused at once from now on");
        drop(waiting.recv().await);
    }
}
