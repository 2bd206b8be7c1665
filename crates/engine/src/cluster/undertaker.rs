//! Forgets nodes that have ended without leaving, and takes up what these and those that have left had leased of budgets and held.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::Clock;
use keystile_store::{ServerId, StoreError};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Cluster;
use crate::quota_keeper::take_up;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// How long the lease of a node has been over before it is given up. What it has under way in budgets is charged in full then, so it gets
/// the time in which a database is restarted.
const PATIENCE: Duration = Duration::from_secs(60);

/// The task that does it.
pub(crate) struct Undertaker(JoinHandle<()>);

impl Undertaker {
    /// Starts, first with what nodes have left that others had given up.
    pub(crate) fn start(cluster: Cluster, clock: Arc<dyn Clock>) -> Self {
        Self(tokio::spawn(run(cluster, clock)))
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // It ends by being aborted.
        let _aborted = (&mut self.0).await;
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn run(cluster: Cluster, clock: Arc<dyn Clock>) {
    let (mut is_left, mut known) = (true, HashSet::new());
    loop {
        let others = cluster.0.sight.all();
        // Some have left on their own. What callers hold there goes on here.
        is_left |= !known.is_subset(&others);
        known = others;
        match bury(&cluster, clock.as_ref()).await {
            Ok(any) => is_left |= any,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "nodes that have ended cannot be given up now");
            }
        }
        if is_left {
            let server = ServerId::of_node(cluster.0.id);
            let taken = take_up(&cluster.0.store, server, &cluster.0.verifier, clock.as_ref()).await;
            match taken {
                Ok(()) => is_left = false,
                Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "it is tried again"),
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Gives up nodes whose lease has been over for long; tells whether there were any.
async fn bury(cluster: &Cluster, clock: &dyn Clock) -> Result<bool, StoreError> {
    let mut any = false;
    for (id, beat) in cluster.0.sight.gone_for(PATIENCE, Instant::now()) {
        if cluster.0.store.bury_node(id, beat, clock.now()).await? {
            any = true;
            tracing::warn!(node = %id, "a node has ended without leaving, and is given up");
        }
    }
    Ok(any)
}
