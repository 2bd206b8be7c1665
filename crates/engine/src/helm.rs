//! Watches over the right to serve from the database.
//!
//! While it is lost, the store reads and writes nothing: changes are refused, the server is not ready, and verification
//! answers from memory only, so that a database that is away stops nobody. As soon as the database tells of another server,
//! which may change what is in memory here, that is forgotten, and every verification is refused as
//! `enforcement_unavailable`.

use std::sync::Arc;
use std::time::Duration;

use keystile_store::{Helm, OpenError};
use keystile_verify::Verifier;
use tokio::task::JoinHandle;

/// Pause between two attempts to take the right again.
const PAUSE: Duration = Duration::from_millis(250);

/// The task that watches.
pub(crate) struct Watch {
    task: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start(helm: Helm, verifier: Arc<Verifier>) -> Self {
        Self { task: tokio::spawn(watch(helm, verifier)) }
    }
}

/// Lets go of the right, for the next server to take it.
impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(mut helm: Helm, verifier: Arc<Verifier>) {
    loop {
        helm.lost().await;
        tracing::error!("the right to serve from the database was lost; nothing is changed until it is back");
        let mut another = false;
        while let Err(error) = helm.retake().await {
            if matches!(error, OpenError::Served) && !another {
                another = true;
                verifier.forget_all();
                tracing::error!("another server serves from this database: every verification is refused");
            }
            tokio::time::sleep(PAUSE).await;
        }
        // Between the two, another server may have come and gone.
        verifier.forget_all();
        helm.resume();
        tracing::info!("the right to serve from the database is back");
    }
}
