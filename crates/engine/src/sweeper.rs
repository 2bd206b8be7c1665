//! Removes what has been kept for long enough, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::key::KeyAddress;
use keystile_core::usage::KEPT;
use keystile_core::{Clock, Timestamp};
use keystile_store::{Store, StoreError, Swept};
use tokio::task::JoinHandle;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a batch of counts is remembered: far longer than it is offered again.
const BATCHES: Duration = DAY;
/// How long a job is shown that is over.
const JOBS: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Time between two rounds, of which each removes what has grown old since.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// Of so many rounds one looks through all entities: about once a day.
const ENTITIES_EVERY: u32 = 144;
/// Pause between two transactions of a round, for others that write.
const BREATH: Duration = Duration::from_millis(50);

/// The task that sweeps.
pub(crate) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    /// Starts sweeping, first what is there already.
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self(tokio::spawn(run(store, clock)))
    }
}

/// Ends it; the next start makes up for what is left.
impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(store: Store, clock: Arc<dyn Clock>) {
    for round in (0..ENTITIES_EVERY).cycle() {
        if let Err(error) = sweep(&store, clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what is old cannot be removed now");
        }
        if let Err(error) = sweep_events(&store, clock.now(), round == 0).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old events cannot be removed now");
        }
        if let Err(error) = sweep_jobs(&store, clock.now()).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "what old jobs left cannot be removed now");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn sweep_jobs(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    while store.sweep_jobs(now, now.minus(JOBS)).await? {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

async fn sweep_events(store: &Store, now: Timestamp, entities: bool) -> Result<(), StoreError> {
    let mut next = Some(Swept::default());
    while let Some(from) = next {
        next = store.sweep_events(from, now, entities).await?;
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

async fn sweep(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    while store.sweep_usage(now.minus(KEPT), now.minus(BATCHES)).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    while store.sweep_addresses(now.minus(KeyAddress::KEPT)).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}
