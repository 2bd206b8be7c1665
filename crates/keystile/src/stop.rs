//! Signals: being told to stop, and not to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// SIGXFSZ on Linux and macOS, on every processor that we build for: a file would grow beyond `ulimit -f`.
const FILE_TOO_LARGE: i32 = 25;

/// From now on a file that may not grow is like a full disk, which is told to whoever writes; without this, the
/// system would end the process.
pub(crate) fn not_by_large_files() -> Result<(), Failure> {
    listen(SignalKind::from_raw(FILE_TOO_LARGE)).map(drop)
}

/// Listens for SIGTERM and Ctrl-C from now on; the future ends with the first of them.
pub(crate) fn requested() -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::because("signals cannot be listened for", &error))
}
