//! Keeps what is used of limits in the store, so that a restart does not give it back: of long windows every few seconds,
//! of all when the server stops.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::{Clock, Timestamp};
use keystile_store::{LimitUse, Store, StoreError};
use keystile_verify::{OwnerUse, Verifier};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Pause between two writes. What is admitted within it is given back if the process is killed.
const EVERY: Duration = Duration::from_secs(5);
/// Owners in one transaction.
const BATCH: usize = 1_000;
/// Rows of what is spent that are deleted after each write.
const SWEPT: u16 = 1_000;
/// Most owners of short windows that are kept when the server stops. Those that are used for longest come first.
const MOST_AT_STOP: usize = 100_000;
/// Owners read at a time at the start.
const PAGE: u16 = 1_000;

/// The task that keeps.
pub(crate) struct LimitKeeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

struct Keeping {
    store: Store,
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
}

impl LimitKeeper {
    /// Takes up what was kept, then keeps what is used from now on.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn start(
        store: Store,
        verifier: Arc<Verifier>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let keeping = Keeping { store, verifier, clock };
        keeping.take_up().await?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::spawn(keeping.run(stopped)) })
    }

    /// Keeps what is used of all limits.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the keeping of limits ended with a panic");
        }
    }
}

impl Keeping {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut works = true;
        loop {
            let last = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                _ = &mut stopped => true,
            };
            let kept = self.keep(last).await;
            match (&kept, works) {
                (Err(error), true) => {
                    let error: &dyn std::error::Error = error;
                    tracing::warn!(error, "what is used of limits cannot be kept now");
                }
                (Ok(()), false) => tracing::info!("what is used of limits is kept again"),
                (Ok(()), true) | (Err(_), false) => {}
            }
            works = kept.is_ok();
            if last {
                return;
            }
        }
    }

    async fn take_up(&self) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let now = self.clock.now();
            let page = self.store.limit_use(&after, now, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.owner);
            for kept in page {
                let elapsed = now.as_millis().saturating_sub(kept.at.as_millis());
                match kept.owner.parse() {
                    Ok(owner) => {
                        self.verifier.restore_limits(owner, &kept.used, u64::try_from(elapsed).unwrap_or(0));
                    }
                    Err(_) => {
                        tracing::warn!(owner = kept.owner, "limits are kept of an owner of no known kind");
                    }
                }
            }
        }
    }

    async fn keep(&self, all: bool) -> Result<(), StoreError> {
        let mut uses = self.verifier.limits_to_keep(all);
        uses.sort_unstable_by_key(|of| std::cmp::Reverse(of.reset_millis));
        if all {
            uses.truncate(MOST_AT_STOP);
        }
        let now = self.clock.now();
        for (place, batch) in uses.chunks(BATCH).enumerate() {
            let rows = batch.iter().map(|of| row(of, now)).collect();
            if let Err(error) = self.store.keep_limit_use(rows).await {
                self.verifier.keep_again(uses[place * BATCH..].iter().map(|of| of.owner));
                return Err(error);
            }
        }
        self.store.sweep_limit_use(now, SWEPT).await.map(drop)
    }
}

fn row(of: &OwnerUse, now: Timestamp) -> LimitUse {
    LimitUse {
        owner: of.owner.to_string(),
        used: of.used.clone(),
        at: now,
        spent_at: now.plus(Duration::from_millis(of.reset_millis)),
    }
}
