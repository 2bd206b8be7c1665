//! Writes what was charged about once a second, and gives back what is leased and not needed. At the start it takes up what another run has
//! left.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::{Clock, Entropy};
use keystile_store::{ServerId, Store};
use keystile_verify::{Return, Verifier};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{EngineError, SystemEntropy};

/// Pause between two rounds. What was charged within it is counted as lost if the process is killed.
const EVERY: Duration = Duration::from_secs(1);

/// The task that keeps.
pub(crate) struct QuotaKeeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn random() -> Result<u128, EngineError> {
    let mut bytes = [0; 16];
    let filled = SystemEntropy.fill(&mut bytes);
    filled.map_err(|error| EngineError::because("this run of the server cannot be named", error))?;
    Ok(u128::from_ne_bytes(bytes))
}

impl QuotaKeeper {
    /// Takes up what other runs have left, then keeps what is charged from now on.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn start(
        store: &Store,
        server: ServerId,
        verifier: Arc<Verifier>,
        clock: &dyn Clock,
    ) -> Result<Self, EngineError> {
        take_up(store, server, &verifier, clock).await?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::spawn(run(verifier, stopped)) })
    }

    /// Writes all that was charged and gives back all that is leased and not held.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the keeping of budgets ended with a panic");
        }
    }
}

/// Takes up what servers have left that run no more.
pub(crate) async fn take_up(
    store: &Store,
    server: ServerId,
    verifier: &Verifier,
    clock: &dyn Clock,
) -> Result<(), EngineError> {
    let (mut adopted, mut charged, mut lost) = (0, 0, 0);
    loop {
        let taken = store.take_up_quota(server, clock.now(), random()?).await;
        let taken = taken
            .map_err(|error| EngineError::because("what is left of budgets cannot be taken up", error))?;
        adopted += taken.adopted.len();
        charged += taken.charged;
        lost += taken.lost.as_nanos();
        taken.adopted.into_iter().for_each(|hold| verifier.adopt_hold(hold));
        if !taken.is_partial {
            break;
        }
    }
    if charged > 0 || lost > 0 {
        tracing::warn!(
            charged_holds = charged,
            lost = %keystile_core::NanoUsd::from_nanos(lost),
            "a server has ended without settling its budgets; the ledger tells what counts as spent"
        );
    }
    if adopted > 0 {
        tracing::info!(holds = adopted, "holds of callers go on");
    }
    Ok(())
}

async fn run(verifier: Arc<Verifier>, mut stopped: oneshot::Receiver<()>) {
    let mut works = true;
    loop {
        let what = tokio::select! {
            () = tokio::time::sleep(EVERY) => Return::Idle,
            _ = &mut stopped => Return::All,
        };
        let kept = verifier.settle_up(what).await;
        match (kept.is_ok(), works) {
            (false, true) => tracing::warn!("what is charged cannot be written now; it waits"),
            (true, false) => tracing::info!("what is charged is written again"),
            (true, true) | (false, false) => {}
        }
        works = kept.is_ok();
        if what == Return::All {
            let waiting = verifier.quota_stats().charges_waiting;
            if waiting > 0 {
                tracing::error!(
                    charges = waiting,
                    "some charges were not written; their leases count as spent"
                );
            }
            return;
        }
    }
}
