//! Writes what waits, batch by batch.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use keystile_core::{ApplicationId, LoggedRequest, TenantId};
use keystile_verify::BoxFuture;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::buffer::NOBODY;
use super::{Inner, LOG_EVERY, NotLogged, ROWS_PER_WRITE, RequestLog};

/// Longest one call of a sink may take: far longer than a batch needs, and short enough for a server that is to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was taken and is not known to be written.
#[derive(Default)]
pub(super) struct Writing {
    staged: VecDeque<Batch>,
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
            let waiting = log.0.waiting().await;
            if waiting > 0 {
                tracing::warn!(waiting, "requests are missing in the log, as it could not be written");
            }
            return;
        }
        // As long as it took, so that others who write have half of the store's time however many requests there are.
        tokio::time::sleep(began.elapsed().min(LOG_EVERY)).await;
    }
}

impl Inner {
    pub(super) async fn flush(&self) -> Result<(), NotLogged> {
        let mut writing = self.writing.lock().await;
        // What could not be written the last time goes first: nothing more is taken until then, which bounds it.
        let written = async {
            self.write_staged(&mut writing).await?;
            writing.stage(self.buffer.take());
            self.write_staged(&mut writing).await?;
            self.tell_missing().await
        };
        written.await.inspect_err(|_| {
            self.failures.fetch_add(1, Ordering::Relaxed);
        })
    }

    async fn waiting(&self) -> usize {
        self.buffer.waiting() + self.writing.lock().await.staged.iter().map(Batch::len).sum::<usize>()
    }

    async fn write_staged(&self, writing: &mut Writing) -> Result<(), NotLogged> {
        while let Some(batch) = writing.staged.front_mut() {
            let rows = self.judged(batch).await?;
            if !rows.is_empty() {
                self.write(&rows).await?;
            }
            writing.staged.pop_front();
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
        match in_time(self.ledger.write(Arc::clone(rows))).await {
            Ok(()) => {}
            Err(NotLogged::Unavailable) => return Err(NotLogged::Unavailable),
            Err(NotLogged::Refused) => {
                self.buffer.give_up(rows);
                return Ok(());
            }
        }
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
        let missing = self.buffer.take_missing();
        if missing.is_empty() {
            return Ok(());
        }
        let told = in_time(self.ledger.note_missing(missing.clone())).await;
        told.inspect_err(|_| self.buffer.note_again(missing))
    }
}

impl Writing {
    fn stage(&mut self, rows: Vec<LoggedRequest>) {
        let mut rows = rows.into_iter();
        loop {
            let batch: Vec<_> = rows.by_ref().take(ROWS_PER_WRITE).collect();
            if batch.is_empty() {
                return;
            }
            self.staged.push_back(Batch::Raw(batch));
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

    use keystile_core::{Clock, LogFace, LogFilter, LogRequests, MissingRequests, Timestamp};
    use parking_lot::Mutex;

    use super::super::stored::Ledger;
    use super::super::{RequestSink, Tailed};
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
        rows: Mutex<Vec<LoggedRequest>>,
        missing: Mutex<Vec<MissingRequests>>,
    }

    impl Kept {
        fn unless_away<T: Send + 'static>(&self, value: T) -> BoxFuture<'_, Result<T, NotLogged>> {
            let answer = self.away.lock().map_or(Ok(value), Err);
            Box::pin(async move { answer })
        }
    }

    impl RequestSink for Kept {
        fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
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
            log.add(log.begin(tenant_id, LogFace::Authz, code.into()));
        }
        let path = Some("/reset/rt_0123456789abcdefghijkl".to_owned());
        log.add(LoggedRequest {
            application_id: Some(SHOP),
            path,
            ..log.begin_unknown(LogFace::Authz, "key_not_found".into())
        });
        log.add(log.begin_unknown(LogFace::Authz, "key_missing".into()));
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
        log.add(log.begin(ACME, LogFace::Authz, "allowed".into()));
        assert!(log.flush().await.is_err() && kept.rows.lock().is_empty());
        log.add(log.begin(ACME, LogFace::Verify, "allowed".into()));
        *kept.away.lock() = None;
        log.flush().await.unwrap();
        let faces: Vec<_> = kept.rows.lock().iter().map(|row| row.face).collect();
        assert_eq!(faces, [LogFace::Authz, LogFace::Verify]);
        for face in faces {
            assert!(matches!(tail.next().await, Some(Tailed::Request(row)) if row.face == face));
        }
        *kept.away.lock() = Some(NotLogged::Refused);
        log.add(log.begin(ACME, LogFace::Authz, "allowed".into()));
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
            log.add(log.begin(ACME, LogFace::Authz, "allowed".into()));
            log.add(log.begin(QUIET, LogFace::Authz, "key_revoked".into()));
        }
        writer.stop().await;
        assert_eq!((kept.rows.lock().len(), log.stats().missing), (2 * ROWS_PER_WRITE, 0));
    }
}
