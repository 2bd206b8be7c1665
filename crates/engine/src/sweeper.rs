//! Removes what has been kept for long enough, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use keystile_core::key::KeyAddress;
use keystile_core::quota::Day;
use keystile_core::usage::KEPT;
use keystile_core::{Clock, Timestamp};
use keystile_store::{LogSwept, Store, StoreError, Swept};
use tokio::task::JoinHandle;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a batch of counts is remembered: far longer than it is offered again.
const BATCHES: Duration = DAY;
/// How long it is remembered what nodes have to forget: they look at changes of the last seconds.
const CHANGES: Duration = DAY;
/// How long a job is shown that is over.
const JOBS: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// How long periods of budgets are kept that are over: longer than any hold can be open. The ledger has all that was spent in them.
const BUDGETS: Duration = Duration::from_secs(40 * 24 * 60 * 60);
/// Time between two rounds, of which each removes what has grown old since.
const PAUSE: Duration = Duration::from_secs(10 * 60);
/// Of so many rounds one looks through all entities: about once a day.
const ENTITIES_EVERY: u32 = 144;
/// Pause between two transactions of a round, for others that write.
const BREATH: Duration = Duration::from_millis(50);
/// Longest that events or requests are removed without such a pause while there are many to remove, in milliseconds: with a pause behind each
/// step fewer than 20,000 could go in a second. Whoever writes meanwhile waits for one transaction at a time.
const STRETCH: u64 = 500;

/// The task that sweeps.
pub(crate) struct Sweeper(JoinHandle<()>);

impl Sweeper {
    /// Starts sweeping, first what is there already.
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self(tokio::spawn(run(store, clock)))
    }
}

impl Sweeper {
    /// Ends it.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // It ends by being aborted.
        let _aborted = (&mut self.0).await;
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
        if let Err(error) = sweep_events(&store, clock.as_ref(), round == 0).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "old events cannot be removed now");
        }
        if let Err(error) = sweep_requests(&store, clock.as_ref()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the request log cannot be shortened now"
            );
        }
        if let Err(error) = sweep_jobs(&store, clock.now()).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what old jobs left cannot be removed now"
            );
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

async fn sweep_requests(store: &Store, clock: &dyn Clock) -> Result<(), StoreError> {
    let (now, mut stretch) = (clock.now(), Stretch::begin(clock));
    let mut next = Some(LogSwept::default());
    while let Some(from) = next {
        next = store.sweep_requests(from, now).await?;
        stretch.go_on(next.is_some_and(LogSwept::was_full), clock).await;
    }
    Ok(())
}

async fn sweep_events(store: &Store, clock: &dyn Clock, entities: bool) -> Result<(), StoreError> {
    let (now, mut stretch) = (clock.now(), Stretch::begin(clock));
    let mut next = Some(Swept::default());
    while let Some(from) = next {
        next = store.sweep_events(from, now, entities).await?;
        stretch.go_on(next.as_ref().is_some_and(Swept::was_full), clock).await;
    }
    Ok(())
}

/// Steps that follow each other without a pause.
struct Stretch {
    /// By the clock that nobody sets, in milliseconds.
    began_at: u64,
}

impl Stretch {
    fn begin(clock: &dyn Clock) -> Self {
        Self { began_at: clock.elapsed_millis() }
    }

    /// Waits until another step may follow: after a full one hardly at all, for a while.
    async fn go_on(&mut self, was_full: bool, clock: &dyn Clock) {
        if self.goes_on(was_full, clock) {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(BREATH).await;
            *self = Self::begin(clock);
        }
    }

    /// Whether another step may follow at once: after a full one, and not for too long.
    fn goes_on(&self, was_full: bool, clock: &dyn Clock) -> bool {
        was_full && clock.elapsed_millis().saturating_sub(self.began_at) < STRETCH
    }
}

async fn sweep(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    while store.sweep_usage(now.minus(KEPT), now.minus(BATCHES)).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    while store.sweep_addresses(now.minus(KeyAddress::KEPT)).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    while store.sweep_budgets(Day::of(now.minus(BUDGETS))).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    while store.sweep_changes(now.minus(CHANGES)).await? > 0 {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Turned(AtomicU64);

    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }

        fn elapsed_millis(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn full_steps_follow_each_other_for_a_while_and_then_others_have_a_turn() {
        let clock = Turned::default();
        let stretch = Stretch::begin(&clock);
        assert!(stretch.goes_on(true, &clock) && !stretch.goes_on(false, &clock));
        clock.0.store(STRETCH - 1, Ordering::Relaxed);
        assert!(stretch.goes_on(true, &clock));
        clock.0.store(STRETCH, Ordering::Relaxed);
        assert!(!stretch.goes_on(true, &clock) && Stretch::begin(&clock).goes_on(true, &clock));
    }
}
