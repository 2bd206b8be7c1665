//! A source in memory whose queries can be held open, fail, panic or hang.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keystile_core::route::Table;
use keystile_core::{
    ApplicationId, Digest, KeyFacts, KeyReading, Model, Provider, Routing, Secret, SharedRates, TenantId,
    Upstreams,
};
use keystile_verify::{BoxFuture, KeySource, SourceUnavailable, UsageBatch, Use};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

/// How the next queries go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    Failing,
    Panicking,
    Hanging,
}

pub(crate) struct FakeSource {
    pub(crate) keys: Mutex<HashMap<Digest, KeyFacts>>,
    /// The limits that all keys share.
    pub(crate) shared_rates: Mutex<SharedRates>,
    pub(crate) routings: Mutex<HashMap<ApplicationId, Routing>>,
    /// Who provides models, and which, for any tenant.
    pub(crate) supply: Mutex<Vec<(Provider, Model)>>,
    pub(crate) written: Mutex<Vec<Use>>,
    pub(crate) counted: Mutex<Vec<UsageBatch>>,
    pub(crate) mood: Mutex<Mood>,
    queries: Mutex<Vec<usize>>,
    held: Mutex<Option<mpsc::UnboundedSender<Held>>>,
    writes: AtomicUsize,
}

/// A query that has read and does not answer before it is released, or this is dropped.
pub(crate) struct Held {
    pub(crate) digests: Vec<Digest>,
    release: oneshot::Sender<()>,
}

impl Held {
    pub(crate) fn release(self) {
        drop(self.release);
    }
}

impl FakeSource {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            keys: Mutex::default(),
            shared_rates: Mutex::default(),
            routings: Mutex::default(),
            supply: Mutex::default(),
            written: Mutex::default(),
            counted: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            queries: Mutex::default(),
            held: Mutex::default(),
            writes: AtomicUsize::new(0),
        })
    }

    /// From now on every query reads, is announced here, and waits.
    pub(crate) fn hold_queries(&self) -> mpsc::UnboundedReceiver<Held> {
        let (announce, held) = mpsc::unbounded_channel();
        *self.held.lock() = Some(announce);
        held
    }

    /// The number of digests in each query so far.
    pub(crate) fn queries(&self) -> Vec<usize> {
        self.queries.lock().clone()
    }

    /// Writes so far, failed ones too.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    async fn wait(&self, digests: Vec<Digest>) {
        let announce = self.held.lock().clone();
        if let Some(announce) = announce {
            let (release, released) = oneshot::channel();
            if announce.send(Held { digests, release }).is_ok() {
                released.await.ok();
            }
        }
    }

    async fn misbehave(&self) -> Result<(), SourceUnavailable> {
        let mood = *self.mood.lock();
        match mood {
            Mood::Well => Ok(()),
            Mood::Failing => Err(SourceUnavailable),
            Mood::Panicking => panic!("asked to"),
            Mood::Hanging => std::future::pending().await,
        }
    }
}

impl KeySource for FakeSource {
    fn facts(&self, digests: Vec<Digest>) -> BoxFuture<'_, Result<Vec<KeyReading>, SourceUnavailable>> {
        Box::pin(async move {
            self.queries.lock().push(digests.len());
            let read = {
                let (keys, shared_rates) = (self.keys.lock(), self.shared_rates.lock());
                let reading = |digest: &Digest| {
                    let facts = keys.get(digest)?.clone();
                    Some(KeyReading { digest: *digest, facts, shared_rates: shared_rates.clone() })
                };
                digests.iter().filter_map(reading).collect()
            };
            self.wait(digests).await;
            self.misbehave().await?;
            Ok(read)
        })
    }

    fn routing(&self, id: ApplicationId) -> BoxFuture<'_, Result<Option<Table>, SourceUnavailable>> {
        Box::pin(async move {
            self.queries.lock().push(0);
            let read = self.routings.lock().get(&id).cloned();
            self.wait(Vec::new()).await;
            self.misbehave().await?;
            Ok(read.map(|routing| Table::new(routing).unwrap()))
        })
    }

    fn upstreams(&self, _: TenantId) -> BoxFuture<'_, Result<Upstreams, SourceUnavailable>> {
        Box::pin(async move {
            self.queries.lock().push(0);
            let (providers, models): (Vec<Provider>, Vec<Model>) = self.supply.lock().iter().cloned().unzip();
            self.wait(Vec::new()).await;
            self.misbehave().await?;
            let opened = providers.into_iter().map(|provider| (provider, Secret::new("opens it"))).collect();
            Ok(Upstreams::new(opened, models))
        })
    }

    fn touch(&self, uses: Vec<Use>) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.writes.fetch_add(1, Ordering::Relaxed);
            self.misbehave().await?;
            self.written.lock().extend(uses);
            Ok(())
        })
    }

    fn count(&self, batch: UsageBatch) -> BoxFuture<'_, Result<(), SourceUnavailable>> {
        Box::pin(async move {
            self.misbehave().await?;
            self.counted.lock().push(batch);
            Ok(())
        })
    }
}
