//! Writes what waits, batch by batch.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use keystile_core::{ApplicationId, LoggedRequest, TenantId, Timestamp};
use keystile_verify::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::buffer::{Buffer, NOBODY, Taken};
use super::{Inner, LOG_EVERY, NotLogged, ROWS_PER_WRITE, RequestLog};

/// Longest one call of a sink may take: far longer than a batch needs, and short enough for a server that is to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is refused is tried in halves until so few are left: a request that breaks a rule takes no more with it, and whoever refuses
/// everything is asked some thirty times for a batch.
const REFUSED_TOGETHER: usize = ROWS_PER_WRITE / 16;
/// So often it is noted that everything was written, in milliseconds, for whoever asks what a log may lack after a kill.
const MARK_EVERY: u64 = 60_000;

/// What was taken and is not known to be written.
#[derive(Default)]
pub(super) struct Writing {
    taken: VecDeque<Taken>,
    batches: VecDeque<Batch>,
    /// The last round that ended, by its number, and what came of it.
    last: Option<(u64, Result<(), NotLogged>)>,
    /// When it was last noted that everything was written, by the clock that nobody sets.
    marked_at: Option<u64>,
}

/// At most [`ROWS_PER_WRITE`] requests.
enum Batch {
    /// As they were added.
    Raw(Vec<LoggedRequest>),
    /// Those that are wanted, as they are to be seen.
    Judged(Arc<[LoggedRequest]>),
}

/// The task that writes.
pub(crate) struct LogWriter {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LogWriter {
    pub(super) fn start(log: RequestLog) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(run(log, stopped)) }
    }

    /// Writes what waits, and returns when that is done, or cannot be.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        if self.task.await.is_err() {
            tracing::error!("the writing of the request log ended with a panic");
        }
    }
}

/// Writes regularly, early when half of the room is taken, and a last time when told to stop.
async fn run(log: RequestLog, mut stopped: oneshot::Receiver<()>) {
    let mut works = true;
    loop {
        let last = tokio::select! {
            _ = &mut stopped => true,
            () = tokio::time::sleep(LOG_EVERY) => false,
            () = log.0.buffer.filling(), if works => false,
        };
        let began = Instant::now();
        let written = log.flush().await;
        match (written, works) {
            (Ok(()), false) => tracing::info!("the request log is written again"),
            (Err(_), true) => tracing::warn!("the request log cannot be written now"),
            (Ok(()), true) | (Err(_), false) => {}
        }
        works = written.is_ok();
        if last {
            log.0.end(written).await;
            return;
        }
        // As long as it took, so that others who write have half of the store's time however many requests there are.
        tokio::time::sleep(began.elapsed().min(LOG_EVERY)).await;
    }
}

impl Inner {
    /// Writes what was added before. Of all who ask while a round is under way one begins the next, and the others are told of it: if
    /// the store hangs they wait for two rounds, and do not queue up.
    pub(super) async fn flush(&self) -> Result<(), NotLogged> {
        let begun = self.rounds.load(Ordering::SeqCst);
        let mut writing = self.writing.lock().await;
        if let Some((number, came_to)) = writing.last
            && number > begun
        {
            return came_to;
        }
        let number = self.rounds.fetch_add(1, Ordering::SeqCst) + 1;
        let came_to = self.round(&mut writing).await;
        if came_to.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        writing.last = Some((number, came_to));
        came_to
    }

    async fn round(&self, writing: &mut Writing) -> Result<(), NotLogged> {
        // What could not be written the last time goes first: nothing more is taken until then, which bounds it.
        self.write_staged(writing).await?;
        let now = self.clock.now();
        writing.taken.extend(self.buffer.take());
        self.write_staged(writing).await?;
        self.tell_missing().await?;
        self.mark(writing, now).await;
        Ok(())
    }

    /// The log ends, after a last round that came to this. If something is not written, or that it is cannot be noted, the next server
    /// finds that this one did not end it.
    async fn end(&self, written: Result<(), NotLogged>) {
        let waiting = self.buffer.waiting() + self.writing.lock().await.len();
        if waiting > 0 {
            tracing::warn!(waiting, "requests are missing in the log, as it could not be written");
        } else if written.is_ok() && in_time(self.ledger.end()).await.is_err() {
            tracing::warn!("that the request log is whole could not be noted");
        }
    }

    async fn write_staged(&self, writing: &mut Writing) -> Result<(), NotLogged> {
        while let Some(batch) = writing.first(&self.buffer) {
            let rows = self.judged(batch).await?;
            let written = if rows.is_empty() { Ok(()) } else { self.write(&rows).await };
            match written {
                Ok(()) => drop(writing.batches.pop_front()),
                Err(NotLogged::Unavailable) => return Err(NotLogged::Unavailable),
                Err(NotLogged::Refused) if rows.len() > REFUSED_TOGETHER => writing.halve(&rows),
                Err(NotLogged::Refused) => {
                    self.buffer.give_up(&rows);
                    writing.batches.pop_front();
                }
            }
        }
        Ok(())
    }

    /// The requests of a batch that are wanted.
    async fn judged(&self, batch: &mut Batch) -> Result<Arc<[LoggedRequest]>, NotLogged> {
        let rows = match batch {
            Batch::Judged(rows) => return Ok(Arc::clone(rows)),
            Batch::Raw(rows) => rows,
        };
        self.find_tenants(rows).await?;
        let tenants: BTreeSet<TenantId> = rows.iter().map(|row| row.tenant_id).collect();
        let wishes = in_time(self.ledger.wishes(tenants.into_iter().collect())).await?;
        rows.retain(|row| wishes.get(&row.tenant_id).is_some_and(|wish| wish.wants(&row.code)));
        rows.iter_mut().for_each(LoggedRequest::tidy);
        let rows: Arc<[LoggedRequest]> = std::mem::take(rows).into();
        *batch = Batch::Judged(Arc::clone(&rows));
        Ok(rows)
    }

    /// Finds whose they are of which only the application is known. Those of nobody stay nobody's, and are wanted by none.
    async fn find_tenants(&self, rows: &mut [LoggedRequest]) -> Result<(), NotLogged> {
        let of_nobody = |row: &&LoggedRequest| row.tenant_id == NOBODY;
        let named: BTreeSet<ApplicationId> =
            rows.iter().filter(of_nobody).filter_map(|row| row.application_id).collect();
        if named.is_empty() {
            return Ok(());
        }
        let tenants = in_time(self.ledger.tenants_of(named.into_iter().collect())).await?;
        for row in rows.iter_mut().filter(|row| row.tenant_id == NOBODY) {
            let tenant_id = row.application_id.and_then(|id| tenants.get(&id));
            row.tenant_id = tenant_id.copied().unwrap_or(NOBODY);
        }
        Ok(())
    }

    /// Writes them, and tells those who watch and the other sinks. One of these that fails holds nobody up.
    async fn write(&self, rows: &Arc<[LoggedRequest]>) -> Result<(), NotLogged> {
        in_time(self.ledger.write(Arc::clone(rows))).await?;
        self.written.fetch_add(rows.len() as u64, Ordering::Relaxed);
        self.tails.tell(rows);
        for sink in &self.others {
            if let Err(error) = in_time(sink.write(Arc::clone(rows))).await {
                tracing::warn!(%error, ?sink, requests = rows.len(), "requests did not reach another log");
            }
        }
        Ok(())
    }

    async fn tell_missing(&self) -> Result<(), NotLogged> {
        if let Some(span) = self.buffer.take_untold() {
            let told = in_time(self.ledger.note_break(span)).await;
            told.inspect_err(|_| self.buffer.note_untold(span))?;
        }
        let missing = self.buffer.take_missing();
        if missing.is_empty() {
            return Ok(());
        }
        let told = in_time(self.ledger.note_missing(missing.clone())).await;
        told.inspect_err(|_| self.buffer.note_again(missing))
    }

    /// Notes now and then that everything is written that was answered before `now`, less what it may take from the moment of an
    /// answer until it is added. If that cannot be noted now, it is after the next round.
    async fn mark(&self, writing: &mut Writing, now: Timestamp) {
        let elapsed = self.clock.elapsed_millis();
        if writing.marked_at.is_some_and(|marked_at| elapsed.saturating_sub(marked_at) < MARK_EVERY) {
            return;
        }
        if in_time(self.ledger.mark(now.minus(LOG_EVERY))).await.is_ok() {
            writing.marked_at = Some(elapsed);
        }
    }
}

impl Writing {
    /// How many are not known to be written.
    fn len(&self) -> usize {
        let taken = self.taken.iter().map(Taken::len).sum::<usize>();
        taken + self.batches.iter().map(Batch::len).sum::<usize>()
    }

    /// The batch that is to be written next.
    fn first(&mut self, buffer: &Buffer) -> Option<&mut Batch> {
        if self.batches.is_empty() {
            let rows = self.gather(buffer);
            if !rows.is_empty() {
                self.batches.push_back(Batch::Raw(rows));
            }
        }
        self.batches.front_mut()
    }

    /// As many of those that were taken as one batch has. Their texts are made here, behind the answers.
    fn gather(&mut self, buffer: &Buffer) -> Vec<LoggedRequest> {
        let mut rows = Vec::new();
        while rows.len() < ROWS_PER_WRITE
            && let Some(mut first) = self.taken.pop_front()
        {
            let room = ROWS_PER_WRITE - rows.len();
            rows.extend(std::iter::from_fn(|| first.next()).take(room));
            if first.len() > 0 {
                self.taken.push_front(first);
            } else {
                buffer.give_back(first);
            }
        }
        rows
    }

    /// Puts two halves of a batch in its place.
    fn halve(&mut self, rows: &[LoggedRequest]) {
        let (first, second) = rows.split_at(rows.len() / 2);
        self.batches.pop_front();
        for half in [second, first] {
            self.batches.push_front(Batch::Judged(half.into()));
        }
    }
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Raw(rows) => rows.len(),
            Self::Judged(rows) => rows.len(),
        }
    }
}

async fn in_time<T>(call: BoxFuture<'_, Result<T, NotLogged>>) -> Result<T, NotLogged> {
    tokio::time::timeout(PATIENCE, call).await.unwrap_or(Err(NotLogged::Unavailable))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use keystile_core::{Clock, LogBreak, LogFace, LogFilter, LogId, LogRequests, MissingRequests};
    use parking_lot::Mutex;

    use super::super::stored::Ledger;
    use super::super::{RequestSink, Tailed, Texts};
    use super::*;

    const ACME: TenantId = TenantId::from_u128(1);
    const QUIET: TenantId = TenantId::from_u128(2);
    const SHOP: ApplicationId = ApplicationId::from_u128(3);

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000)
        }

        fn elapsed_millis(&self) -> u64 {
            0
        }
    }

    /// Keeps what it is given, unless it is away.
    #[derive(Debug, Default)]
    struct Kept {
        away: Mutex<Option<NotLogged>>,
        /// A request that it never takes, nor what comes with it.
        bad: Mutex<Option<LogId>>,
        rows: Mutex<Vec<LoggedRequest>>,
        missing: Mutex<Vec<MissingRequests>>,
        marks: Mutex<Vec<Timestamp>>,
        has_ended: Mutex<bool>,
    }

    impl Kept {
        fn unless_away<T: Send + 'static>(&self, value: T) -> BoxFuture<'_, Result<T, NotLogged>> {
            let answer = self.away.lock().map_or(Ok(value), Err);
            Box::pin(async move { answer })
        }
    }

    impl RequestSink for Kept {
        fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
            let bad = *self.bad.lock();
            if bad.is_some_and(|bad| rows.iter().any(|row| row.id == bad)) {
                return Box::pin(async { Err(NotLogged::Refused) });
            }
            if self.away.lock().is_none() {
                self.rows.lock().extend(rows.iter().cloned());
            }
            self.unless_away(())
        }
    }

    impl Ledger for Kept {
        fn tenants_of(
            &self,
            _: Vec<ApplicationId>,
        ) -> BoxFuture<'_, Result<HashMap<ApplicationId, TenantId>, NotLogged>> {
            Box::pin(async { Ok(HashMap::from([(SHOP, ACME)])) })
        }

        fn wishes(
            &self,
            _: Vec<TenantId>,
        ) -> BoxFuture<'_, Result<HashMap<TenantId, LogRequests>, NotLogged>> {
            Box::pin(async { Ok(HashMap::from([(ACME, LogRequests::All), (QUIET, LogRequests::Refused)])) })
        }

        fn note_missing(&self, missing: Vec<MissingRequests>) -> BoxFuture<'_, Result<(), NotLogged>> {
            self.missing.lock().extend(missing);
            self.unless_away(())
        }

        fn note_break(&self, _: LogBreak) -> BoxFuture<'_, Result<(), NotLogged>> {
            self.unless_away(())
        }

        fn mark(&self, whole_until: Timestamp) -> BoxFuture<'_, Result<(), NotLogged>> {
            self.marks.lock().push(whole_until);
            self.unless_away(())
        }

        fn end(&self) -> BoxFuture<'_, Result<(), NotLogged>> {
            *self.has_ended.lock() = true;
            self.unless_away(())
        }
    }

    /// Adds a request without texts, and tells its id.
    fn add(log: &RequestLog, tenant_id: TenantId, face: LogFace, code: &'static str) -> LogId {
        let request = log.begin(tenant_id, face, code.into());
        let id = request.id;
        log.add(request, Texts::default());
        id
    }

    fn log() -> (RequestLog, Arc<Kept>) {
        let kept = Arc::<Kept>::default();
        let ledger: Arc<dyn Ledger> = Arc::<Kept>::clone(&kept);
        (RequestLog::new(ledger, Vec::new(), Arc::new(Noon), 7), kept)
    }

    #[tokio::test]
    async fn what_is_wanted_is_written_once_and_without_secrets() {
        let (log, kept) = log();
        for (tenant_id, code) in [(ACME, "allowed"), (QUIET, "allowed"), (QUIET, "key_revoked")] {
            add(&log, tenant_id, LogFace::Authz, code);
        }
        let mut unknown = log.begin_unknown(LogFace::Authz, "key_not_found".into());
        unknown.application_id = Some(SHOP);
        let path: Option<&[u8]> = Some(b"/reset/rt_0123456789abcdefghijkl");
        log.add(unknown, Texts { path, ..Texts::default() });
        add(&log, NOBODY, LogFace::Authz, "key_missing");
        log.flush().await.unwrap();
        log.flush().await.unwrap();
        let rows = kept.rows.lock().clone();
        let mut told: Vec<_> = rows.iter().map(|row| (row.tenant_id, &*row.code)).collect();
        told.sort_unstable();
        assert_eq!(told, [(ACME, "allowed"), (ACME, "key_not_found"), (QUIET, "key_revoked")]);
        assert!(rows.iter().any(|row| row.path.as_deref() == Some("/reset/rt_…")));
        let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        assert_eq!((ids.len(), log.stats().written), (3, 3));
    }

    #[tokio::test]
    async fn what_cannot_be_written_now_is_written_later_and_what_never_can_is_missing() {
        let (log, kept) = log();
        let mut tail = log.watch(ACME, LogFilter::default()).unwrap();
        *kept.away.lock() = Some(NotLogged::Unavailable);
        add(&log, ACME, LogFace::Authz, "allowed");
        assert!(log.flush().await.is_err() && kept.rows.lock().is_empty());
        add(&log, ACME, LogFace::Verify, "allowed");
        *kept.away.lock() = None;
        log.flush().await.unwrap();
        let faces: Vec<_> = kept.rows.lock().iter().map(|row| row.face).collect();
        assert_eq!(faces, [LogFace::Authz, LogFace::Verify]);
        for face in faces {
            assert!(matches!(tail.next().await, Some(Tailed::Request(row)) if row.face == face));
        }
        *kept.away.lock() = Some(NotLogged::Refused);
        add(&log, ACME, LogFace::Authz, "allowed");
        assert!(log.flush().await.is_err(), "the gap cannot be told either");
        *kept.away.lock() = None;
        log.flush().await.unwrap();
        assert!(kept.missing.lock().iter().any(|missing| (missing.tenant_id, missing.count) == (ACME, 1)));
        assert_eq!(log.stats().missing, 1);
    }

    #[tokio::test]
    async fn a_writer_that_is_told_to_stop_writes_what_waits() {
        let (log, kept) = log();
        let writer = LogWriter::start(log.clone());
        for _ in 0..ROWS_PER_WRITE {
            add(&log, ACME, LogFace::Authz, "allowed");
            add(&log, QUIET, LogFace::Authz, "key_revoked");
        }
        writer.stop().await;
        assert_eq!((kept.rows.lock().len(), log.stats().missing), (2 * ROWS_PER_WRITE, 0));
        assert!(*kept.has_ended.lock(), "and says that it is whole");
    }

    #[tokio::test]
    async fn a_writer_that_cannot_write_what_waits_does_not_say_that_the_log_is_whole() {
        let (log, kept) = log();
        let writer = LogWriter::start(log.clone());
        *kept.away.lock() = Some(NotLogged::Unavailable);
        add(&log, ACME, LogFace::Authz, "allowed");
        writer.stop().await;
        assert!(!*kept.has_ended.lock() && kept.marks.lock().is_empty());
    }

    #[tokio::test]
    async fn a_request_that_is_never_taken_takes_few_others_with_it() {
        let (log, kept) = log();
        let ids: Vec<_> = (0..ROWS_PER_WRITE).map(|_| add(&log, ACME, LogFace::Authz, "allowed")).collect();
        *kept.bad.lock() = Some(ids[ROWS_PER_WRITE / 3]);
        log.flush().await.unwrap();
        let (written, missing) = (kept.rows.lock().len(), log.stats().missing);
        assert_eq!(written as u64 + missing, ROWS_PER_WRITE as u64);
        assert!((1..=REFUSED_TOGETHER as u64).contains(&missing), "{missing}");
        assert_eq!(kept.missing.lock().iter().map(|missing| missing.count).sum::<u64>(), missing);
    }

    #[tokio::test]
    async fn of_many_who_ask_for_it_at_once_one_writes() {
        let (log, kept) = log();
        let busy = log.0.writing.lock().await;
        let ask = |_| {
            let log = log.clone();
            tokio::spawn(async move { log.0.flush().await })
        };
        let asking: Vec<_> = (0..10).map(ask).collect();
        tokio::task::yield_now().await;
        drop(busy);
        for one in asking {
            one.await.unwrap().unwrap();
        }
        assert_eq!(log.0.rounds.load(Ordering::SeqCst), 1);
        add(&log, ACME, LogFace::Authz, "allowed");
        log.flush().await.unwrap();
        assert_eq!((log.0.rounds.load(Ordering::SeqCst), kept.rows.lock().len()), (2, 1));
        assert_eq!(*kept.marks.lock(), [Noon.now().minus(LOG_EVERY)], "once in a minute");
    }
}
