//! Whoever watches a log as it grows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use keystile_core::{LogFilter, LoggedRequest, TenantId};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Most who watch the log of one tenant at a time: a team of people, each of whom costs a copy of what is shown.
pub const TAILS_PER_TENANT: usize = 10;
/// Most who watch any logs at a time. If none of them takes anything, half a gigabyte waits for them at the worst.
pub const TAILS: usize = 500;
/// Most requests that wait for one who watches: a second of a busy tenant. What is more is skipped, and told.
const WAITING: usize = 1_000;

/// So many watch this log, or the logs of this server, already; or the server is about to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many watch this log already")]
pub struct TooManyTails;

/// What somebody who watches is told.
#[derive(Debug)]
pub enum Tailed {
    /// A request, which is in the log now.
    Request(Box<LoggedRequest>),
    /// So many more were passed over, as they were not taken in time.
    Skipped(u64),
}

/// A log as it grows.
#[derive(Debug)]
pub struct Tail {
    rows: mpsc::Receiver<Box<LoggedRequest>>,
    skipped: Arc<AtomicU64>,
}

impl Tail {
    /// What comes next; nothing when there is no more to come. Nothing is lost if it is not waited for to the end.
    pub async fn next(&mut self) -> Option<Tailed> {
        match self.skipped.swap(0, Ordering::Relaxed) {
            0 => self.rows.recv().await.map(Tailed::Request),
            skipped => Some(Tailed::Skipped(skipped)),
        }
    }
}

/// All who watch.
#[derive(Default)]
pub(super) struct Tails {
    watched: Mutex<Watched>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Watched {
    of_tenant: HashMap<TenantId, Vec<Watcher>>,
    has_ended: bool,
}

struct Watcher {
    filter: LogFilter,
    rows: mpsc::Sender<Box<LoggedRequest>>,
    skipped: Arc<AtomicU64>,
}

impl Tails {
    pub(super) fn watch(&self, tenant_id: TenantId, filter: LogFilter) -> Result<Tail, TooManyTails> {
        let mut watched = self.watched.lock();
        if watched.has_ended {
            return Err(TooManyTails);
        }
        watched.forget_gone();
        if watched.count() >= TAILS {
            return Err(TooManyTails);
        }
        let of_tenant = watched.of_tenant.entry(tenant_id).or_default();
        if of_tenant.len() >= TAILS_PER_TENANT {
            return Err(TooManyTails);
        }
        let ((rows, receiver), skipped) = (mpsc::channel(WAITING), Arc::<AtomicU64>::default());
        of_tenant.push(Watcher { filter, rows, skipped: Arc::clone(&skipped) });
        self.count.store(watched.count(), Ordering::Relaxed);
        Ok(Tail { rows: receiver, skipped })
    }

    /// Tells those who watch of requests that are in the log now.
    pub(super) fn tell(&self, rows: &[LoggedRequest]) {
        if self.count() == 0 {
            return;
        }
        let mut watched = self.watched.lock();
        watched.forget_gone();
        for row in rows {
            watched.of_tenant.get(&row.tenant_id).into_iter().flatten().for_each(|watcher| watcher.tell(row));
        }
        self.count.store(watched.count(), Ordering::Relaxed);
    }

    /// Ends all, and lets nobody watch any more.
    pub(super) fn end(&self) {
        let mut watched = self.watched.lock();
        watched.has_ended = true;
        watched.of_tenant.clear();
        self.count.store(0, Ordering::Relaxed);
    }

    /// How many watch, or have lately.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Watched {
    fn forget_gone(&mut self) {
        self.of_tenant.values_mut().for_each(|watchers| watchers.retain(|watcher| !watcher.rows.is_closed()));
        self.of_tenant.retain(|_, watchers| !watchers.is_empty());
    }

    fn count(&self) -> usize {
        self.of_tenant.values().map(Vec::len).sum()
    }
}

impl Watcher {
    fn tell(&self, row: &LoggedRequest) {
        if self.filter.shows(row) && self.rows.try_send(Box::new(row.clone())).is_err() {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystile_core::{LogFace, LogId, Timestamp};

    fn row(tenant: u128, code: &'static str) -> LoggedRequest {
        let id = LogId::from_parts(Timestamp::from_millis(7), 1);
        LoggedRequest::new(id, TenantId::from_u128(tenant), LogFace::Authz, code.into())
    }

    #[tokio::test]
    async fn whoever_watches_is_told_of_what_they_asked_for_and_of_what_they_missed() {
        let tails = Tails::default();
        let filter = LogFilter { code: Some("allowed".to_owned()), ..LogFilter::default() };
        let mut tail = tails.watch(TenantId::from_u128(1), filter).unwrap();
        tails.tell(&[row(1, "key_revoked"), row(2, "allowed"), row(1, "allowed")]);
        let Some(Tailed::Request(told)) = tail.next().await else { panic!("nothing is told") };
        assert_eq!((told.tenant_id, &*told.code), (TenantId::from_u128(1), "allowed"));
        tails.tell(&vec![row(1, "allowed"); WAITING + 3]);
        assert!(matches!(tail.next().await, Some(Tailed::Skipped(3))));
        tails.end();
        for _ in 0..WAITING {
            assert!(matches!(tail.next().await, Some(Tailed::Request(_))));
        }
        assert!(tail.next().await.is_none(), "the server stops");
    }

    #[test]
    fn few_watch_a_log_and_whoever_leaves_makes_room() {
        let tails = Tails::default();
        let watch = |tenant| tails.watch(TenantId::from_u128(tenant), LogFilter::default());
        let mut open: Vec<_> = (0..TAILS_PER_TENANT).map(|_| watch(1).unwrap()).collect();
        assert!(watch(1).is_err() && watch(2).is_ok());
        open.pop();
        assert!(watch(1).is_ok());
        drop(open);
        let all: Vec<_> =
            (0..TAILS as u128).map(|place| watch(place / TAILS_PER_TENANT as u128).unwrap()).collect();
        assert!(watch(9_999).is_err(), "nor do many watch all logs together");
        drop(all);
        tails.tell(&[row(1, "allowed")]);
        assert_eq!(tails.count(), 0);
        tails.end();
        assert!(watch(1).is_err());
    }
}
