//! Putting the parts together and taking them apart again.

use std::sync::Arc;

use keystile_core::{Clock, Entropy};
use keystile_manage::ControlPlane;
use keystile_store::Store;
use keystile_verify::{Background, SharedLimits, Stating, Verifier};

use crate::budgets::StoredBudgets;
use crate::cluster::Undertaker;
use crate::doubts::Settler;
use crate::ingest::Gatherer;
use crate::jobs::{Jobs, Others};
use crate::journal::{Journal, Keeper, Opening};
use crate::key_source::StoredKeys;
use crate::limit_keeper::LimitKeeper;
use crate::opening::{connect, control_plane};
use crate::place::{Kept, Place};
use crate::quota_keeper::QuotaKeeper;
use crate::request_log::LogWriter;
use crate::sealer::Sealer;
use crate::shared_rates::share;
use crate::sweeper::Sweeper;
use crate::{
    Cluster, Commits, Duty, EngineError, EngineSettings, Holds, Ingest, Leading, RequestLog, SystemClock,
    SystemEntropy,
};

/// A running Keystile without a face. End it with [`Self::stop`]; when it is only dropped, what runs beside it ends on its
/// own and writes what it can.
#[must_use = "dropping it ends what runs beside the verifications"]
pub struct Engine {
    planes: Planes,
    background: Background,
    duties: Vec<Duty>,
    gatherer: Gatherer,
    jobs: Jobs,
    log_writer: LogWriter,
    settler: Settler,
    keeper: Keeper,
    limits: LimitKeeper,
    quotas: QuotaKeeper,
    stating: Option<Stating>,
    place: Kept,
}

/// What others use of an engine; clones are the same. They refuse everything once it has stopped.
#[derive(Clone)]
pub struct Planes {
    /// Every change of state. What it returns as committed goes through `commits`.
    pub control: ControlPlane,
    /// Every decision about a key.
    pub verifier: Arc<Verifier>,
    /// Every hold, whichever server has it.
    pub holds: Holds,
    /// The rows, for whoever asks whether they can be reached.
    pub store: Store,
    /// Carries out changes.
    pub commits: Commits,
    /// Takes events in.
    pub ingest: Ingest,
    /// Takes down what is asked and answered.
    pub requests: RequestLog,
    /// The other nodes that serve from the database, if it does not serve alone.
    pub cluster: Option<Cluster>,
    /// The limits that it shares with them, if it does.
    pub shared_limits: Option<Arc<SharedLimits>>,
}

impl Planes {
    /// Whether this server is the one that does what only one may do.
    pub fn leading(&self) -> Leading {
        self.cluster.as_ref().map_or_else(Leading::always, Cluster::leading)
    }
}

impl Engine {
    /// Opens the store, makes sure that no other server serves from it but nodes of the same cluster, brings it up to date, and starts what
    /// runs beside verification. Needs a Tokio runtime that goes on until it is stopped.
    ///
    /// # Errors
    /// When the database or a key of the server cannot be opened, or another server serves from the database.
    pub async fn start(settings: &EngineSettings) -> Result<Self, EngineError> {
        let store = connect(settings).await?;
        let started = Self::start_on(&store, settings).await;
        if started.is_err() {
            // Whoever tries again finds it free.
            store.close().await;
        }
        started
    }

    async fn start_on(store: &Store, settings: &EngineSettings) -> Result<Self, EngineError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (place, store) = Place::take(store, settings.cluster.as_ref(), clock.as_ref()).await?;
        let opening = Opening {
            path: &settings.revocation_journal,
            store: &store,
            is_among: place.is_among(),
            makes_another: settings.new_revocation_journal,
            clock: clock.as_ref(),
            entropy: &SystemEntropy,
        };
        let journal = Journal::new(opening.open().await?);
        let control = control_plane(settings, &store).await?;
        let server = place.server()?;
        let budgets = Arc::new(StoredBudgets::new(store.clone(), server));
        let keys = Arc::new(StoredKeys::new(store.clone(), control.clone(), Arc::clone(&clock)));
        let (verifier, shared_limits) = place.verifier(keys, budgets, &clock, settings.bounds)?;
        let others = if place.is_among() { Others::MayWork } else { Others::Ended };
        let (place, cluster) = place.keep(&store, &verifier, &control, &clock, &journal);
        let (ingest, gatherer) = Ingest::start(store.clone(), Arc::clone(&clock), Arc::new(SystemEntropy));
        let begun = store.begin_log(clock.now()).await;
        begun.map_err(|error| EngineError::because("the request log cannot be begun", error))?;
        let (requests, log_writer) = log_requests(settings, &store, &clock)?;
        let quotas = QuotaKeeper::start(&store, server, Arc::clone(&verifier), clock.as_ref()).await?;
        let limits = LimitKeeper::start(store.clone(), Arc::clone(&verifier), Arc::clone(&clock)).await;
        let limits =
            limits.map_err(|error| EngineError::because("what is used of limits cannot be read", error))?;
        let stating = share(shared_limits.as_ref(), cluster.as_ref(), &verifier).await;
        let background = verifier.start();
        let (settler, doubts) = Settler::start(store.clone(), Arc::clone(&verifier));
        let (keeper, telling) = Keeper::start(store.clone(), Arc::clone(&clock), journal);
        let commits = Commits::new(Arc::clone(&verifier), doubts, telling, cluster.clone());
        let jobs = Jobs::start(control.clone(), commits.clone(), others);
        let holds = Holds::new(store.clone(), Arc::clone(&verifier), server, cluster.clone());
        let planes =
            Planes { control, verifier, holds, store, commits, ingest, requests, cluster, shared_limits };
        let duties = duties(&planes, &clock);
        Ok(Self {
            planes,
            background,
            duties,
            gatherer,
            jobs,
            log_writer,
            settler,
            keeper,
            limits,
            quotas,
            stating,
            place,
        })
    }

    /// What others use of it.
    pub const fn planes(&self) -> &Planes {
        &self.planes
    }

    /// Writes down what is only in memory and lets go of the database. Call it when nobody asks any more.
    pub async fn stop(self) {
        self.jobs.stop().await;
        self.settler.stop().await;
        self.keeper.stop().await;
        self.background.stop().await;
        if let Some(stating) = self.stating {
            stating.stop().await;
        }
        self.limits.stop().await;
        self.planes.requests.end_tails();
        self.log_writer.stop().await;
        if self.planes.verifier.flush().await.is_err() {
            tracing::warn!("the last uses of some keys and some counts were not written");
        }
        self.gatherer.stop().await;
        for duty in self.duties {
            duty.stop().await;
        }
        if let Some(cluster) = &self.planes.cluster {
            // What is given back of a hold behind the last write would be lost. Others settle what is left as soon as this node has left, so both come last.
            cluster.answer_nobody().await;
        }
        self.quotas.stop().await;
        match self.place {
            // Nobody may serve before nothing is written any more.
            place @ Kept::Alone(_) => {
                self.planes.store.close().await;
                place.stop().await;
            }
            // It leaves by its connection, and the store writes nothing behind that.
            place @ Kept::Among(_) => {
                place.stop().await;
                self.planes.store.close().await;
            }
        }
    }
}

/// What only one server does at a time: sealing the log, removing what is old, and giving up nodes that have ended.
fn duties(planes: &Planes, clock: &Arc<dyn Clock>) -> Vec<Duty> {
    let (store, leading) = (planes.store.clone(), planes.leading());
    let sealing = Duty::start(leading, move || Sealer::start(store.clone()), Sealer::stop);
    let (store, leading, of_sweeper) = (planes.store.clone(), planes.leading(), Arc::clone(clock));
    let begin = move || Sweeper::start(store.clone(), Arc::clone(&of_sweeper));
    let sweeping = Duty::start(leading, begin, Sweeper::stop);
    let burying = planes.cluster.clone().map(|cluster| {
        let (leading, clock) = (cluster.leading(), Arc::clone(clock));
        let begin = move || Undertaker::start(cluster.clone(), Arc::clone(&clock));
        Duty::start(leading, begin, Undertaker::stop)
    });
    burying.into_iter().chain([sweeping, sealing]).collect()
}

/// The request log, whose ids no other process gives.
fn log_requests(
    settings: &EngineSettings,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<(RequestLog, LogWriter), EngineError> {
    let mut seed = [0; 8];
    let filled = SystemEntropy.fill(&mut seed);
    filled.map_err(|error| EngineError::because("requests that are logged cannot be named", error))?;
    let (elsewhere, others) = (settings.request_log_elsewhere.clone(), settings.request_sinks.clone());
    let seed = u64::from_ne_bytes(seed);
    Ok(RequestLog::start(store.clone(), elsewhere, others, Arc::clone(clock), seed))
}
