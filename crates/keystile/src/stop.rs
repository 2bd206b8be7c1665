//! Being told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Listens for SIGTERM and Ctrl-C from now on; the future ends with the first of them.
pub(crate) fn requested() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::because("signals cannot be listened for", &error));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
