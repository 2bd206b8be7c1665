//! Signals: being told to stop, and not to stop.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGXFSZ on Linux and macOS, on every processor that we build for: a file would grow beyond `ulimit -f`.
const FILE_TOO_LARGE: i32 = 25;

/// From now on a file that may not grow is like a full disk, which is told to whoever writes; without this, the
/// system would end the process.
pub(crate) fn not_by_large_files() -> Result<(), Failure> {
    listen(SignalKind::from_raw(FILE_TOO_LARGE)).map(drop)
}

/// What SIGHUP means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// The terminal is gone, and with it whoever tried things out.
    Stops,
    /// Somebody wants settings to be read again, as of other services: a server in production must not end of it.
    IsNoReason,
}

/// Listens for SIGTERM, Ctrl-C and SIGHUP from now on; the future ends with the first that is a reason to stop.
pub(crate) fn requested(hangup: Hangup) -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let mut hung_up = listen(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hung_up.recv() => if hangup == Hangup::Stops { break },
            }
            tracing::warn!(
                "SIGHUP changes nothing: settings are read at the start only; restart to apply others"
            );
        }
        tracing::info!("stopping");
    })
}

/// Waits for so long, or for another signal to stop.
pub(crate) async fn hastened(most: Duration) {
    if most.is_zero() {
        return;
    }
    tracing::info!(seconds = most.as_secs(), "serving on, but not ready");
    let again = async {
        match requested(Hangup::IsNoReason) {
            Ok(again) => again.await,
            Err(_) => std::future::pending().await,
        }
    };
    // It is over in either way.
    let _waited = tokio::time::timeout(most, again).await;
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::because("signals cannot be listened for", &error))
}
