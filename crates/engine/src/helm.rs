//! Watches over the right to serve from the database.
//!
//! While it is lost, the store reads and writes nothing: changes are refused, the server is not ready, and verification
//! answers from memory only, so that a database that is away stops nobody. As soon as the database tells of another server,
//! which may change what is in memory here, that is forgotten, and every verification is refused as
//! `enforcement_unavailable`. The revocation journal is let go of, for that other server, and opened again when there is something to tell it.

use std::sync::Arc;
use std::time::Duration;

use keystile_store::{Helm, OpenError};
use keystile_verify::Verifier;
use tokio::task::JoinHandle;

use crate::journal::Journal;

/// Pause between two attempts to take the right again.
const PAUSE: Duration = Duration::from_millis(250);

/// The task that watches.
pub(crate) struct Watch {
    task: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start(helm: Helm, verifier: Arc<Verifier>, journal: Journal) -> Self {
        Self { task: tokio::spawn(watch(Held { journal, helm, verifier })) }
    }

    /// Lets go of the right, for the next server to take it.
    pub(crate) async fn stop(mut self) {
        self.task.abort();
        // It ends by being aborted.
        let _aborted = (&mut self.task).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The right. Whoever still holds the verifier when it ends learns nothing any more: others may change the keys from then on.
struct Held {
    /// Before the right: whoever has that next wants to write to it.
    journal: Journal,
    helm: Helm,
    verifier: Arc<Verifier>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.helm.cast_off();
        self.verifier.forget_all();
    }
}

async fn watch(mut held: Held) {
    loop {
        held.helm.lost().await;
        held.journal.let_go();
        tracing::error!("the right to serve from the database was lost; nothing is changed until it is back");
        let mut another = false;
        while let Err(error) = held.helm.retake().await {
            if matches!(error, OpenError::Served) && !another {
                another = true;
                held.verifier.forget_all();
                tracing::error!("another server serves from this database: every verification is refused");
            }
            tokio::time::sleep(PAUSE).await;
        }
        // Between the two, another server may have come and gone.
        held.verifier.forget_all();
        held.helm.resume();
        tracing::info!("the right to serve from the database is back");
    }
}
