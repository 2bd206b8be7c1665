//! What runs beside the verifications: the regular writing of what is only in memory.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::last_use::LastUses;
use crate::source::SourceUnavailable;
use crate::usage::Usage;

/// How long last uses and counts are kept in memory before they are written: short enough for what is promised of
/// them, long enough for batches.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Longest one write may take: the time between two flushes.
pub const TOUCH_TIMEOUT: Duration = FLUSH_EVERY;

/// The tasks behind a verifier. When it is dropped they write what is pending and end by themselves.
#[derive(Debug)]
#[must_use = "dropping it ends the regular writing of last uses and counts"]
pub struct Background {
    stop: oneshot::Sender<()>,
    flusher: JoinHandle<()>,
}

impl Background {
    pub(crate) fn start(uses: Arc<LastUses>, usage: Arc<Usage>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, flusher: tokio::spawn(run(uses, usage, stopped)) }
    }

    /// Writes what is pending and returns when all tasks have ended. Call it when no more requests are served.
    /// It takes at most [`TOUCH_TIMEOUT`] per batch that is pending, and gives up at the first that fails.
    pub async fn stop(self) {
        drop(self.stop);
        drop(self.flusher.await);
    }
}

/// Writes all that is pending. What cannot be written of one kind does not keep the other from it.
pub(crate) async fn flush(uses: &LastUses, usage: &Usage) -> Result<(), SourceUnavailable> {
    let (touched, counted) = tokio::join!(uses.flush(), usage.flush());
    let flushed = touched.and(counted);
    if flushed.is_err() {
        usage.note_failed_flush();
    }
    flushed
}

/// Flushes regularly, early when half of the room is taken, and a last time when told to stop.
async fn run(uses: Arc<LastUses>, usage: Arc<Usage>, mut stopped: oneshot::Receiver<()>) {
    let mut failing = false;
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            () = tokio::time::sleep(FLUSH_EVERY) => false,
            () = uses.filling(), if !failing => false,
            () = usage.filling(), if !failing => false,
        };
        failing = flush(&uses, &usage).await.is_err();
        if last {
            return;
        }
    }
}
