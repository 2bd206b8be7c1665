//! Putting the parts of a server together and taking them apart again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::Entropy;
use keystile_courier::{Courier, Running as Telling};
use keystile_engine::{Duty, Engine, Planes, SystemClock, SystemEntropy};
use keystile_manage::ControlPlane;
use keystile_proxy::Gateway;
use keystile_store::{Location, Store};
use keystile_web::{App, Server, ServerLimits};
use tokio::sync::watch;

use crate::clickhouse::LogInClickhouse;
use crate::config::Settings;
use crate::failure::Failure;
use crate::open_files;
use crate::operations::{self, Operations};
use crate::stop;

/// A server that is bound but does not serve yet.
pub(crate) struct Running {
    app: App,
    unready: Duration,
    engine: Engine,
    courier: Duty,
    gateway: Arc<Gateway>,
    server: Server,
    envoy: Option<Server>,
    operations: Operations,
    clickhouse: LogInClickhouse,
}

impl Running {
    /// Starts everything that is not HTTP, and binds the listener.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        stop::not_by_large_files()?;
        let http = settings.http()?;
        let clickhouse = LogInClickhouse::start(settings.log_plan()?)?;
        let engine = Engine::start(&clickhouse.joined(settings.engine()?)).await?;
        let mut seed = [0; 8];
        SystemEntropy
            .fill(&mut seed)
            .map_err(|error| Failure::because("request ids cannot be made", &error))?;
        let (planes, courier) = with_courier(engine.planes(), settings)?;
        let gateway = gateway(&planes, settings)?;
        let (site, seed) = (keystile_console::site(), u64::from_ne_bytes(seed));
        let app = App::new(planes, courier.clone(), Arc::clone(&gateway), site, http, seed);
        let limits = server_limits(settings)?;
        let more = clickhouse.metrics();
        let operations = Operations::bind(settings.operations_listen, &app, limits, more).await?;
        let (server, envoy) = bind(settings, app.clone(), limits).await?;
        // Of several nodes one tells: which attempts are under way is known in memory only.
        let courier = Duty::start(engine.planes().leading(), move || courier.start(), Telling::stop);
        let unready = settings.unready();
        Ok(Self { app, unready, engine, courier, gateway, server, envoy, operations, clickhouse })
    }

    /// Every change of state.
    pub(crate) const fn control(&self) -> &ControlPlane {
        &self.engine.planes().control
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        self.server.address().map_err(|error| Failure::because("the listener has no address", &error))
    }

    /// Where it listens for Envoy, if it does.
    pub(crate) fn envoy_address(&self) -> Result<Option<SocketAddr>, Failure> {
        let address = self.envoy.as_ref().map(Server::address).transpose();
        address.map_err(|error| Failure::because("the listener for Envoy has no address", &error))
    }

    /// Serves until `stop`, and for a while as one that is not ready; then writes down what is only in memory.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        let operations = self.operations.start();
        let (app, unready) = (self.app, self.unready);
        let stopped = async move {
            stop.await;
            app.end_readiness();
            stop::hastened(unready).await;
        };
        serve(self.server, self.envoy, stopped).await;
        // Before the engine, which writes the ledger.
        self.gateway.stop();
        self.courier.stop().await;
        self.engine.stop().await;
        self.clickhouse.stop().await;
        operations.stop().await;
    }
}

/// What tells webhooks, and the planes that make webhooks and providers of models within their reach.
fn with_courier(planes: &Planes, settings: &Settings) -> Result<(Planes, Courier), Failure> {
    let reach = settings.webhook_reach();
    let control =
        planes.control.clone().reaching(reach.clone()).reaching_upstreams(settings.upstream_reach());
    let planes = Planes { control, ..planes.clone() };
    let of = (planes.store.clone(), planes.control.clone());
    let courier = Courier::new(of, (Arc::new(SystemClock), Arc::new(SystemEntropy)), reach);
    let courier = courier.map_err(|error| Failure::because("webhooks cannot be told", &error))?;
    Ok((planes, courier))
}

/// What passes requests of LLM keys on.
fn gateway(planes: &Planes, settings: &Settings) -> Result<Arc<Gateway>, Failure> {
    let gateway = Gateway::new(Arc::clone(&planes.verifier), &settings.gateway());
    gateway.map(Arc::new).map_err(|error| Failure::because("the LLM gateway cannot be set up", &error))
}

/// Binds the listener of the API, and that for Envoy if there is to be one.
async fn bind(
    settings: &Settings,
    app: App,
    limits: ServerLimits,
) -> Result<(Server, Option<Server>), Failure> {
    let taken = |address| move |error| Failure::because(format!("{address} cannot be listened on"), &error);
    let listen = settings.listen();
    let Some(address) = settings.grpc_listen else {
        return Ok((Server::bind(listen, app, limits).await.map_err(taken(listen))?, None));
    };
    let (api, envoy) = limits.shared_with_envoy();
    let envoy = Server::bind_envoy(address, app.clone(), envoy).await.map_err(taken(address))?;
    Ok((Server::bind(listen, app, api).await.map_err(taken(listen))?, Some(envoy)))
}

/// Serves on both listeners until `stop`.
async fn serve(server: Server, envoy: Option<Server>, stop: impl Future<Output = ()>) {
    let Some(envoy) = envoy else { return server.serve(stop).await };
    let (tell, mut told) = watch::channel(());
    let stopped = async move {
        // The end of the channel is what is told.
        let _end = told.changed().await;
    };
    let both = async {
        stop.await;
        drop(tell);
    };
    tokio::join!(server.serve(both), envoy.serve(stopped));
}

/// The settings, as far as the system lets us have them.
fn server_limits(settings: &Settings) -> Result<ServerLimits, Failure> {
    let database_connections = match settings.location()? {
        Location::Sqlite(_) => 0,
        Location::Postgres { max_connections, .. } => max_connections,
    };
    let others = database_connections + settings.operations_listen.map_or(0, |_| operations::CONNECTIONS);
    let limits = settings.server_limits();
    let connections = open_files::connections(limits.connections, open_files::raise_limit(), others);
    Ok(ServerLimits { connections, ..limits })
}

/// Opens the database, beside a server on PostgreSQL if need be, and brings it to the form this version needs.
pub(crate) async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    stop::not_by_large_files()?;
    Ok(keystile_engine::open_store(&settings.engine()?).await?)
}
