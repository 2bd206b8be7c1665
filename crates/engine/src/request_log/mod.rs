//! The request log: what is asked and answered goes into memory at once, and from there to the store, many at a time.

mod buffer;
mod elsewhere;
mod heard;
mod sink;
mod stored;
mod tail;
mod writer;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::{Clock, LogFace, LogFilter, LogId, LoggedRequest, TenantId};
use keystile_store::Store;
use keystile_verify::{CachedKey, Verdict};
use tokio::sync::Mutex;

use self::buffer::{Buffer, NOBODY};
use self::elsewhere::Elsewhere;
use self::stored::Ledger;
use self::tail::Tails;
use self::writer::Writing;

pub use buffer::REQUESTS_WAITING;
pub use elsewhere::LogElsewhere;
pub use heard::Texts;
pub use sink::{NotLogged, ROWS_PER_WRITE, RequestSink};
pub use tail::{TAILS, TAILS_PER_TENANT, Tail, Tailed, TooManyTails};
pub(crate) use writer::LogWriter;

/// How long requests wait in memory before they are written, unless half of the room is taken before: so much is lost of the log
/// if the process is killed.
pub const LOG_EVERY: Duration = Duration::from_secs(1);

/// Bits of an id that tell apart what was answered within a millisecond, and as many that tell processes apart.
const COUNT_BITS: u32 = 40;

/// Takes requests into the logs of their tenants; clones are the same.
#[derive(Clone)]
pub struct RequestLog(Arc<Inner>);

struct Inner {
    buffer: Buffer,
    clock: Arc<dyn Clock>,
    seed: u64,
    count: AtomicU64,
    ledger: Arc<dyn Ledger>,
    others: Vec<Arc<dyn RequestSink>>,
    writing: Mutex<Writing>,
    /// How many rounds of writing have begun.
    rounds: AtomicU64,
    tails: Tails,
    written: AtomicU64,
    failures: AtomicU64,
}

/// A reading of the counters. Those that count up begin at 0 with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Requests in memory that are not taken to be written yet.
    pub waiting: usize,
    /// Requests that were written.
    pub written: u64,
    /// Requests that are in no log, because there was no room for them or the store does not take them.
    pub missing: u64,
    /// Rounds of writing that failed; what was not written stays in memory.
    pub failures: u64,
    /// Who watch a log now, or did when something was last written.
    pub watching: usize,
}

impl RequestLog {
    /// Starts the task that writes, to the store unless the log is kept elsewhere. `seed` is a random number that makes the ids of this process its own.
    pub(crate) fn start(
        store: Store,
        elsewhere: Option<LogElsewhere>,
        others: Vec<Arc<dyn RequestSink>>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> (Self, LogWriter) {
        let ledger: Arc<dyn Ledger> = match elsewhere {
            Some(elsewhere) => Arc::new(Elsewhere::new(store, elsewhere.sink)),
            None => Arc::new(store),
        };
        let log = Self::new(ledger, others, clock, seed);
        let writer = LogWriter::start(log.clone());
        (log, writer)
    }

    fn new(
        ledger: Arc<dyn Ledger>,
        others: Vec<Arc<dyn RequestSink>>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        Self(Arc::new(Inner {
            buffer: Buffer::new(),
            clock,
            seed,
            count: AtomicU64::new(0),
            ledger,
            others,
            writing: Mutex::default(),
            rounds: AtomicU64::new(0),
            tails: Tails::default(),
            written: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }))
    }

    /// A request that is answered now, to be filled and given to [`Self::add`].
    pub fn begin(&self, tenant_id: TenantId, face: LogFace, code: Cow<'static, str>) -> LoggedRequest {
        LoggedRequest::new(self.next_id(), tenant_id, face, code)
    }

    /// The same for a decision, with what is known of the key. It goes into the log of the key's tenant; without a key that may
    /// be known, into that of `asking`. Nothing if the tenant does not want it, or there is none. Waits for nothing; it costs a
    /// reading of the clock and no memory.
    pub fn begin_decision(
        &self,
        face: LogFace,
        verdict: &Verdict,
        asking: Option<TenantId>,
    ) -> Option<LoggedRequest> {
        let code = Cow::Borrowed(verdict.code().as_str());
        match verdict.key.as_deref() {
            Some(key) => self.begin_of_key(face, key, code),
            None => asking.map(|tenant_id| self.begin(tenant_id, face, code)),
        }
    }

    /// The same for what was answered with this code to whoever holds a key.
    pub fn begin_of_key(
        &self,
        face: LogFace,
        key: &CachedKey,
        code: Cow<'static, str>,
    ) -> Option<LoggedRequest> {
        if !key.log_requests().wants(&code) {
            return None;
        }
        let mut request = self.begin(key.tenant_id(), face, code);
        request.environment = Some(key.environment());
        request.application_id = Some(key.application_id());
        request.customer_id = key.customer_id();
        request.key_id = Some(key.id());
        Some(request)
    }

    /// A request of which only an application is known, that must be named in it: its tenant is looked for behind the answer.
    pub fn begin_unknown(&self, face: LogFace, code: Cow<'static, str>) -> LoggedRequest {
        self.begin(NOBODY, face, code)
    }

    /// Takes a request with its texts, or notes that there is no room for it. Waits for nothing, and takes no memory of its own. What
    /// no log may show is taken out before anybody sees it.
    pub fn add(&self, request: LoggedRequest, texts: Texts<'_>) {
        self.0.buffer.add(request, texts);
    }

    /// Writes all that were added before, for whoever is about to read.
    ///
    /// # Errors
    /// When they cannot be written now; they stay in memory.
    pub async fn flush(&self) -> Result<(), NotLogged> {
        let inner = Arc::clone(&self.0);
        // In a task of its own, so that a panic, or a reader who goes away, takes nothing with it.
        tokio::spawn(async move { inner.flush().await }).await.unwrap_or(Err(NotLogged::Unavailable))
    }

    /// What is added to the log of a tenant from now on, as far as `filter` shows it.
    ///
    /// # Errors
    /// When [`TAILS_PER_TENANT`] watch it already, or [`TAILS`] any log; or the server is about to stop.
    pub fn watch(&self, tenant_id: TenantId, filter: LogFilter) -> Result<Tail, TooManyTails> {
        self.0.tails.watch(tenant_id, filter)
    }

    /// Ends all that watch: the server is about to stop.
    pub fn end_tails(&self) {
        self.0.tails.end();
    }

    /// A reading of all counters. Takes each lock for a moment; meant for every few seconds.
    pub fn stats(&self) -> LogStats {
        LogStats {
            waiting: self.0.buffer.waiting(),
            written: self.0.written.load(Ordering::Relaxed),
            missing: self.0.buffer.missing(),
            failures: self.0.failures.load(Ordering::Relaxed),
            watching: self.0.tails.count(),
        }
    }

    fn next_id(&self) -> LogId {
        const MASK: u64 = (1 << COUNT_BITS) - 1;
        let count = self.0.count.fetch_add(1, Ordering::Relaxed) & MASK;
        let random = u128::from(count) << COUNT_BITS | u128::from(self.0.seed & MASK);
        LogId::from_parts(self.0.clock.now(), random)
    }
}

impl std::fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RequestLog")
    }
}
