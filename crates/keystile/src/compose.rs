//! Putting the parts of a server together and taking them apart again.

use std::net::SocketAddr;
use std::sync::Arc;

use keystile_core::{Clock, Entropy};
use keystile_manage::ControlPlane;
use keystile_store::{Location, Store};
use keystile_verify::{Background, OneNode, Verifier};
use keystile_web::{App, Server, ServerLimits};

use crate::config::Settings;
use crate::doubts::Settler;
use crate::encryption_key;
use crate::failure::Failure;
use crate::helm::Watch;
use crate::key_source::StoredKeys;
use crate::limit_keeper::LimitKeeper;
use crate::open_files;
use crate::private_file::make_private;
use crate::sealer::Sealer;
use crate::signing;
use crate::stop;
use crate::sweeper::Sweeper;
use crate::system::{SystemClock, SystemEntropy};

const UNOPENED: &str = "the database cannot be opened";

/// A server that is bound but does not serve yet.
pub(crate) struct Running {
    pub(crate) control: ControlPlane,
    store: Store,
    verifier: Arc<Verifier>,
    background: Background,
    sealer: Sealer,
    sweeper: Sweeper,
    settler: Settler,
    limits: LimitKeeper,
    helm: Watch,
    server: Server,
}

impl Running {
    /// Opens the store, makes sure that no other server serves from it, brings it up to date, and binds the listener.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        let store = connect(settings).await?;
        let helm = store.take_helm().await.map_err(|error| Failure::because(UNOPENED, &error))?;
        migrate(&store).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let control = control_plane(settings, &store, &clock, &entropy).await?;
        let limiter = OneNode::new(Arc::clone(&clock));
        let keys = Arc::new(StoredKeys { store: store.clone(), clock: Arc::clone(&clock) });
        let sweeper = Sweeper::start(store.clone(), Arc::clone(&clock));
        let verifier = Verifier::new(keys, limiter, Arc::clone(&clock), settings.bounds());
        let helm = Watch::start(helm, Arc::clone(&verifier));
        let limits = LimitKeeper::start(store.clone(), Arc::clone(&verifier), clock).await;
        let limits =
            limits.map_err(|error| Failure::because("what is used of limits cannot be read", &error))?;
        let background = verifier.start();
        let mut seed = [0; 8];
        entropy.fill(&mut seed).map_err(|error| Failure::because("request ids cannot be made", &error))?;
        let seed = u64::from_ne_bytes(seed);
        let (settler, doubts) = Settler::start(store.clone(), Arc::clone(&verifier));
        let app =
            App::new(control.clone(), Arc::clone(&verifier), store.clone(), settings.http(), seed, doubts);
        let server = Server::bind(settings.listen(), app, server_limits(settings)?).await;
        let server = server.map_err(|error| {
            Failure::because(format!("{} cannot be listened on", settings.listen()), &error)
        })?;
        let sealer = Sealer::start(store.clone());
        Ok(Self { control, store, verifier, background, sealer, sweeper, settler, limits, helm, server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        self.server.address().map_err(|error| Failure::because("the listener has no address", &error))
    }

    /// Serves until `stop`, then writes down what is only in memory.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        self.server.serve(stop).await;
        self.settler.stop().await;
        self.background.stop().await;
        self.limits.stop().await;
        if self.verifier.flush().await.is_err() {
            tracing::warn!("the last uses of some keys and some counts were not written");
        }
        self.sweeper.stop();
        self.sealer.stop().await;
        self.store.close().await;
        self.helm.stop();
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

/// Brings the control plane together with its keys.
pub(crate) async fn control_plane(
    settings: &Settings,
    store: &Store,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Result<ControlPlane, Failure> {
    let signing = signing::load(&settings.signing_key_file())?;
    let vault = encryption_key::load(&settings.encryption_key_file(), store, entropy.as_ref()).await?;
    ControlPlane::new(store.clone(), Arc::clone(clock), Arc::clone(entropy), signing, vault)
        .map_err(|error| Failure::because("the control plane did not start", &error))
}

/// Opens the database, beside a server on PostgreSQL if need be, and brings it to the form this version needs.
pub(crate) async fn open_store(settings: &Settings) -> Result<Store, Failure> {
    let store = connect(settings).await?;
    migrate(&store).await?;
    Ok(store)
}

async fn connect(settings: &Settings) -> Result<Store, Failure> {
    stop::not_by_large_files()?;
    let data_dir = settings.data_dir();
    make_private_folder(&data_dir)?;
    let location = settings.location()?;
    if let Location::Sqlite(file) = &location {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            make_private(name.as_ref());
        }
    }
    Store::open(location).await.map_err(|error| Failure::because(UNOPENED, &error))
}

async fn migrate(store: &Store) -> Result<(), Failure> {
    let applied = store
        .migrate()
        .await
        .map_err(|error| Failure::because("the database cannot be brought up to date", &error))?;
    for migration in applied {
        tracing::info!(version = migration.version, name = migration.name, "migrated the database");
    }
    Ok(())
}

fn make_private_folder(path: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| {
        Failure::because(format!("the data folder {} cannot be made", path.display()), &error)
    })
}
