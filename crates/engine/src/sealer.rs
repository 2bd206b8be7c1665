//! Gives the entries of the audit logs their places in the chains, soon after each change and beside everything else.

use std::time::Duration;

use keystile_core::TenantId;
use keystile_store::{Sealing, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Longest an entry waits that another process wrote, or that was left by one that ended.
const AT_LATEST: Duration = Duration::from_secs(1);
/// Pause between two rounds: a stream of changes is sealed in few transactions, and nobody waits for them.
const PAUSE: Duration = Duration::from_millis(100);

/// The task that seals.
pub(crate) struct Sealer {
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Sealer {
    /// Starts sealing, first what is there already.
    pub(crate) fn start(store: Store) -> Self {
        let (stop, stopped) = watch::channel(());
        Self { stop, task: tokio::spawn(run(store, stopped)) }
    }

    /// Seals what there is a last time. What a store that is away keeps from it, the next start makes up for.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the sealing of the audit log ended with a panic");
        }
    }
}

async fn run(store: Store, mut stopped: watch::Receiver<()>) {
    let mut works = true;
    loop {
        let round = seal_all(&store).await;
        match (&round, works) {
            (Err(error), true) => {
                let error: &dyn std::error::Error = error;
                tracing::warn!(
                    error,
                    "the audit log cannot be sealed now; it will be when the store answers"
                );
            }
            (Ok(()), false) => tracing::info!("the audit log is sealed again"),
            (Ok(()), true) | (Err(_), false) => {}
        }
        works = round.is_ok();
        tokio::select! {
            () = next_round(&store) => {}
            _ = stopped.changed() => break,
        }
    }
    if let Err(error) = seal_all(&store).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "the next start seals the rest");
    }
}

async fn next_round(store: &Store) {
    tokio::time::sleep(PAUSE).await;
    // Woken by a change or by the time, the next round is the same.
    let _woken = tokio::time::timeout(AT_LATEST - PAUSE, store.changed()).await;
}

/// Seals one batch of each tenant in turn until nothing is left. A tenant whose log cannot be sealed does not keep
/// the others from it; its error is told at the end.
async fn seal_all(store: &Store) -> Result<(), StoreError> {
    let (mut after, mut left, mut failed) = (None::<TenantId>, false, None);
    loop {
        match store.unsealed_tenant(after).await? {
            Some(tenant_id) => {
                after = Some(tenant_id);
                match store.seal(tenant_id).await {
                    Ok(sealing) => left |= sealing == Sealing::Partial,
                    Err(error) => failed = Some(error),
                }
            }
            None if left => (after, left) = (None, false),
            None => return failed.map_or(Ok(()), Err),
        }
    }
}
