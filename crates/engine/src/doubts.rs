//! Settles changes in doubt: asks the database, beside everything else and for as long as the engine runs, whether their
//! transactions have ended, and lets verification keep their keys again.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::Change;
use keystile_store::{Doubt, Store};
use keystile_verify::Verifier;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Pause before the first look. Most transactions that are lost have ended, or end with their connection.
const SHORTEST: Duration = Duration::from_millis(50);
/// Longest pause between two looks.
const LONGEST: Duration = Duration::from_secs(5);

/// Changes in doubt that are asked about, and as many that wait to be: far more than can be under way when a database is
/// lost. What finds no place stays in doubt as long as the process runs: its keys are read anew each time.
const MOST: usize = 4096;

/// A change in doubt: verification keeps nothing of its keys until [`Verifier::settle`] is called, which has to be when the
/// transaction has ended.
#[derive(Debug)]
pub(crate) struct Unsettled {
    /// What may still happen.
    pub(crate) change: Change,
    /// The transaction.
    pub(crate) doubt: Doubt,
}

/// The task that settles.
pub(crate) struct Settler {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Settler {
    /// Starts waiting for what is sent to the second part.
    pub(crate) fn start(store: Store, verifier: Arc<Verifier>) -> (Self, Sender<Unsettled>) {
        let (doubts, arriving) = mpsc::channel(MOST);
        let (stop, stopped) = oneshot::channel();
        let mut settling = Settling { store, verifier, arriving, open: Vec::new() };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = settling.run() => {}
                _ = stopped => {}
            }
            if !settling.open.is_empty() {
                tracing::warn!(changes = settling.open.len(), "some changes may still happen");
            }
        });
        (Self { stop, task }, doubts)
    }

    /// Gives up what is open. What verification knows ends with the process, so that nothing is left to settle.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the settling of changes in doubt ended with a panic");
        }
    }
}

struct Settling {
    store: Store,
    verifier: Arc<Verifier>,
    arriving: Receiver<Unsettled>,
    open: Vec<Unsettled>,
}

impl Settling {
    async fn run(&mut self) {
        let (mut pause, mut next) = (SHORTEST, Instant::now());
        loop {
            tokio::select! {
                arrived = self.arriving.recv(), if self.open.len() < MOST => {
                    let Some(unsettled) = arrived else { return };
                    self.open.push(unsettled);
                    pause = SHORTEST;
                    next = next.min(Instant::now() + pause);
                }
                () = tokio::time::sleep_until(next), if !self.open.is_empty() => {
                    self.look().await;
                    pause = LONGEST.min(pause * 2);
                    next = Instant::now() + pause;
                }
            }
        }
    }

    /// Settles what has ended. Beyond a question that is not answered no other is asked in this round.
    async fn look(&mut self) {
        let mut index = 0;
        while let Some(Unsettled { change, doubt }) = self.open.get(index) {
            match self.store.has_ended(*doubt).await {
                Ok(true) => {
                    self.verifier.settle(change);
                    tracing::info!(?doubt, "a change in doubt has ended");
                    self.open.swap_remove(index);
                }
                Ok(false) => index += 1,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    return tracing::warn!(error, "whether a change has happened cannot be asked now");
                }
            }
        }
    }
}
