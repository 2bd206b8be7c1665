//! Putting the parts of a server together and taking them apart again.

use std::net::SocketAddr;

use keystile_core::Entropy;
use keystile_engine::{Engine, SystemEntropy};
use keystile_manage::ControlPlane;
use keystile_store::{Location, Store};
use keystile_web::{App, Server, ServerLimits};

use crate::config::Settings;
use crate::failure::Failure;
use crate::open_files;
use crate::stop;

/// A server that is bound but does not serve yet.
pub(crate) struct Running {
    engine: Engine,
    server: Server,
}

impl Running {
    /// Starts everything that is not HTTP, and binds the listener.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        stop::not_by_large_files()?;
        let engine = Engine::start(&settings.engine()?).await?;
        let mut seed = [0; 8];
        SystemEntropy
            .fill(&mut seed)
            .map_err(|error| Failure::because("request ids cannot be made", &error))?;
        let app = App::new(engine.planes().clone(), settings.http(), u64::from_ne_bytes(seed));
        let server = Server::bind(settings.listen(), app, server_limits(settings)?).await;
        let server = server.map_err(|error| {
            Failure::because(format!("{} cannot be listened on", settings.listen()), &error)
        })?;
        Ok(Self { engine, server })
    }

    /// Every change of state.
    pub(crate) const fn control(&self) -> &ControlPlane {
        &self.engine.planes().control
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        self.server.address().map_err(|error| Failure::because("the listener has no address", &error))
    }

    /// Serves until `stop`, then writes down what is only in memory.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        self.server.serve(stop).await;
        self.engine.stop().await;
    }
}

/// The settings, as far as the system lets us have them.
fn server_limits(settings: &Settings) -> Result<ServerLimits, Failure> {
    let database_connections = match settings.location()? {
        Location::Sqlite(_) => 0,
        Location::Postgres { max_connections, .. } => max_connections,
    };
    let limits = settings.server_limits();
    let connections =
        open_files::connections(limits.connections, open_files::raise_limit(), database_connections);
    Ok(ServerLimits { connections, ..limits })
}

/// Opens the database, beside a server on PostgreSQL if need be, and brings it to the form this version needs.
pub(crate) async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    stop::not_by_large_files()?;
    Ok(keystile_engine::open_store(&settings.engine()?).await?)
}
