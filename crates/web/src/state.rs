//! What every handler can reach.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::HeaderName;
use ipnet::IpNet;
use keystile_courier::Courier;
use keystile_engine::{Cluster, Commits, Holds, Ingest, Planes, RequestLog, carrying_receipt};
use keystile_manage::{Attempt, Committed, ControlPlane, PartnerKeys, Refused};
use keystile_measure::Sparing;
use keystile_proxy::Gateway;
use keystile_store::Store;
use keystile_verify::{SharedLimits, Verifier};
use tracing::Instrument;

use crate::body::Reading;
use crate::loggable::Words;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::reporters::Reporters;
use crate::router::openapi;
use crate::traces::Traces;
use keystile_bearer::{RequestIds, Room};

/// How requests are read.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Proxies whose word on the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Headers, beside `Authorization`, that may carry a key.
    pub key_headers: Vec<HeaderName>,
    /// Longest a request may take from its first header to the last byte of its body.
    pub body_timeout: Duration,
    /// Which part of the requests is traced whose callers have not decided, from 0 to 1; `None` if spans are sent nowhere.
    pub trace_ratio: Option<f64>,
    /// Most bytes of bodies that are not there wholly; a body that would be too much is refused.
    pub body_bytes: usize,
    /// The keys that GitHub signs with what it tells of leaked keys; `None` if it is not listened to.
    pub github_keys: Option<Arc<PartnerKeys>>,
}

/// Pages for people that are served beside the API.
#[derive(Debug, Default)]
pub struct Site {
    /// What serves them.
    pub router: Router<App>,
    /// The words of their paths, which may stand in a log.
    pub words: HashSet<String>,
}

/// The parts of a running server, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts by name.
#[derive(Clone)]
pub struct Parts {
    /// Every change of state.
    pub control: ControlPlane,
    /// Decides about keys.
    pub verifier: Arc<Verifier>,
    pub(crate) holds: Holds,
    pub(crate) store: Store,
    pub(crate) ingest: Ingest,
    /// What was asked and answered.
    pub requests: RequestLog,
    /// Tells webhooks.
    pub courier: Courier,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) settings: HttpSettings,
    pub(crate) request_ids: Arc<RequestIds>,
    /// How bodies are read.
    pub reading: Arc<Reading>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) words: Arc<Words>,
    pub(crate) site: Router<App>,
    pub(crate) reporters: Arc<Reporters>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) traces: Option<Traces>,
    pub(crate) failures_logged: Arc<Sparing>,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) shared_limits: Option<Arc<SharedLimits>>,
    commits: Commits,
}

impl App {
    /// Brings the parts together, and the pages of `site` beside the API. `seed` is a random number that makes this process's request ids its own.
    pub fn new(
        planes: Planes,
        courier: Courier,
        gateway: Arc<Gateway>,
        site: Site,
        settings: HttpSettings,
        seed: u64,
    ) -> Self {
        let Planes { control, verifier, holds, store, commits, ingest, requests, cluster, shared_limits } =
            planes;
        let request_ids = Arc::new(RequestIds::new(seed));
        let room = Room::new(settings.body_bytes);
        let reading = Arc::new(Reading { within: settings.body_timeout, room });
        let readiness = Arc::new(Readiness::new());
        let words = Arc::new(Words::of(&openapi(), site.words));
        Self(Arc::new(Parts {
            control,
            verifier,
            holds,
            store,
            ingest,
            requests,
            courier,
            gateway,
            traces: settings.trace_ratio.map(Traces::new),
            failures_logged: Arc::default(),
            settings,
            request_ids,
            reading,
            readiness,
            words,
            site: site.router,
            reporters: Arc::default(),
            metrics: Arc::default(),
            cluster,
            shared_limits,
            commits,
        }))
    }

    /// From now on whoever asks whether it is ready is told that it is not: it is about to stop.
    pub fn end_readiness(&self) {
        self.readiness.end();
    }

    /// The same server, where what is changed is part of this attempt.
    pub(crate) fn within(&self, attempt: &Attempt) -> Self {
        Self(Arc::new(Parts { control: self.control.within(attempt), ..Parts::clone(&self.0) }))
    }

    /// Carries out `work` to its end even when the client goes away: an attempt to sign in counts, whether its answer is
    /// waited for or not.
    pub async fn finish<T, F>(&self, work: impl FnOnce(App) -> F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Refused>> + Send + 'static,
    {
        let task = tokio::spawn(carrying_receipt(work(self.clone()).in_current_span()));
        task.await.map_err(|_| Refused::Internal("a request was interrupted".to_owned()))?
    }

    /// Carries out a change to its end, and answers when verification knows of it.
    pub async fn commit<T, F>(&self, work: impl FnOnce(App) -> F) -> Result<T, Refused>
    where
        T: Send + 'static,
        F: Future<Output = Result<Committed<T>, Refused>> + Send + 'static,
    {
        self.commits.carry_out(work(self.clone()).in_current_span()).await
    }

    /// Refuses to end a secret for a new one that could not be told.
    pub fn require_journal(&self) -> Result<(), Refused> {
        self.commits.require_journal()
    }

    /// Whether the revocation journal could be written when it was written last.
    pub(crate) fn journal_works(&self) -> bool {
        self.commits.journal_works()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
