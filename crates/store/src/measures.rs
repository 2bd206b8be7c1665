//! What operators see of the store.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keystile_measure::{Histogram, SPANS};
use tracing::Instrument;

use crate::engine::Engine;
use crate::{Store, StoreError};

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// From a look-up in memory to the longest that a statement may take.
const BOUNDS: [Duration; 13] = [
    micros(50),
    micros(100),
    micros(250),
    micros(500),
    micros(1_000),
    micros(2_500),
    micros(5_000),
    micros(10_000),
    micros(50_000),
    micros(100_000),
    micros(500_000),
    micros(1_000_000),
    micros(10_000_000),
];

/// Transactions of one kind.
#[derive(Debug)]
pub struct Measured {
    /// How long they took whoever waited for them, its turn included; also those that failed.
    pub durations: Histogram,
    failures: AtomicU64,
    kind: &'static str,
}

/// How the transactions of this process went. Counts begin at 0 with it.
#[derive(Debug)]
pub struct Measures {
    /// Those that only read.
    pub reads: Measured,
    /// Those that write.
    pub writes: Measured,
    began: Instant,
    sealed_millis: AtomicU64,
    swept_events: AtomicU64,
    swept_entities: AtomicU64,
}

/// What is busy now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The threads of a data file.
    Sqlite {
        /// Transactions that wait for the writer.
        writes_waiting: usize,
        /// Reads that wait for a reader.
        reads_waiting: usize,
    },
    /// The connections to a server.
    Postgres {
        /// Connections that there are.
        open: usize,
        /// Those of them that nobody uses.
        idle: usize,
        /// Most that there may be.
        most: usize,
        /// Callers that wait for one.
        waiting: usize,
    },
}

impl Measured {
    fn new(kind: &'static str) -> Self {
        Self { durations: Histogram::new(&BOUNDS), failures: AtomicU64::new(0), kind }
    }

    /// Those that failed because of the database, not of what it was asked.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Carries out a transaction and measures it.
    pub(crate) async fn of<R>(
        &self,
        transaction: impl Future<Output = Result<R, StoreError>> + Send,
    ) -> Result<R, StoreError> {
        self.of_any(Box::pin(transaction)).await
    }

    /// The same for all transactions of one result, so that there is no code for each; and none is held twice by whoever awaits it.
    async fn of_any<R>(
        &self,
        transaction: Pin<Box<dyn Future<Output = Result<R, StoreError>> + Send + '_>>,
    ) -> Result<R, StoreError> {
        let began = Instant::now();
        let span = tracing::info_span!(target: SPANS, "store", otel.name = self.kind, otel.kind = "client");
        let done = transaction.instrument(span).await;
        self.durations.record(began.elapsed());
        if done.as_ref().is_err_and(StoreError::is_of_the_database) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        done
    }
}

impl Measures {
    pub(crate) fn new() -> Self {
        let (reads, writes) = (Measured::new("store read"), Measured::new("store write"));
        Self {
            reads,
            writes,
            began: Instant::now(),
            sealed_millis: AtomicU64::new(0),
            swept_events: AtomicU64::new(0),
            swept_entities: AtomicU64::new(0),
        }
    }

    /// Events that were removed because they were old.
    pub fn swept_events(&self) -> u64 {
        self.swept_events.load(Ordering::Relaxed)
    }

    /// Entities that were forgotten because nothing was heard of them.
    pub fn swept_entities(&self) -> u64 {
        self.swept_entities.load(Ordering::Relaxed)
    }

    /// Since when every audit log may have had entries without a place in its chain: how long ago they were last seen to
    /// have none, or the store was opened.
    pub fn unsealed_for(&self) -> Duration {
        let sealed = Duration::from_millis(self.sealed_millis.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(sealed)
    }

    /// So many were removed.
    pub(crate) fn note_swept(&self, events: u64, entities: u64) {
        self.swept_events.fetch_add(events, Ordering::Relaxed);
        self.swept_entities.fetch_add(entities, Ordering::Relaxed);
    }

    /// Every entry that was there at `moment` has its place.
    pub(crate) fn note_sealed(&self, moment: Instant) {
        let since = moment.saturating_duration_since(self.began).as_millis();
        self.sealed_millis.fetch_max(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Store {
    /// How the transactions of this process went.
    pub fn measures(&self) -> &Measures {
        self.own_measures()
    }

    /// What is busy now.
    pub fn load(&self) -> Load {
        match self.engine() {
            Engine::Sqlite(engine) => engine.load(),
            Engine::Postgres(engine) => engine.load(),
        }
    }

    /// Whether the right to serve was lost, so that nothing is read or written.
    pub fn is_adrift(&self) -> bool {
        self.adrift().load(Ordering::SeqCst)
    }
}
