//! The listener for whoever operates the server.

use std::net::SocketAddr;
use std::time::Duration;

use keystile_measure::Exposition;
use keystile_web::{App, MoreMetrics, Server, ServerLimits};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::process_metrics;

/// Connections open at once: a few that collect metrics and a few that probe.
pub(crate) const CONNECTIONS: usize = 32;
/// Longest that its requests may take when the server stops. None of them takes long.
const DRAIN: Duration = Duration::from_secs(1);

/// The listener, bound and not served yet.
pub(crate) struct Operations(Option<Server>);

/// The listener while it is served.
pub(crate) struct Served(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Operations {
    /// Binds the address, if there is one. `more` writes metrics beside those of the server and the process.
    pub(crate) async fn bind(
        address: Option<SocketAddr>,
        app: &App,
        limits: ServerLimits,
        more: impl Fn(&mut Exposition) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let Some(address) = address else { return Ok(Self(None)) };
        let limits = ServerLimits { connections: CONNECTIONS, drain: DRAIN, ..limits };
        let more = MoreMetrics::new(move |page| {
            process_metrics::write(page);
            more(page);
        });
        let failed =
            |error: std::io::Error| Failure::because(format!("{address} cannot be listened on"), &error);
        let server = Server::bind_operations(address, app.clone(), more, limits).await.map_err(failed)?;
        let bound = server.address().map_err(failed)?;
        tracing::info!(address = %bound, "serving operations");
        Ok(Self(Some(server)))
    }

    /// Serves from now on.
    pub(crate) fn start(self) -> Served {
        Served(self.0.map(|server| {
            let (stop, stopped) = oneshot::channel();
            let task = tokio::spawn(server.serve(async move {
                // That the sender is gone tells as much.
                let _told: Result<(), _> = stopped.await;
            }));
            (stop, task)
        }))
    }
}

impl Served {
    /// Ends it. It comes last, so that a stop that takes long can be looked at.
    pub(crate) async fn stop(self) {
        let Some((stop, task)) = self.0 else { return };
        drop(stop);
        if task.await.is_err() {
            tracing::error!("the listener for operations ended with a panic");
        }
    }
}
