//! When and from where keys were last used, without a write per request.
//!
//! A key remembers which of its uses are noted (`lately`). The first in a slice of time is put on a list, and so is the first from each
//! address in it; the list is written in batches.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::background::{FLUSH_EVERY, TOUCH_TIMEOUT};
use crate::cached_key::CachedKey;
use crate::lately::{News, Sighting};
use crate::source::{KeySource, SourceUnavailable, Use};

/// A use is noted when it is the first of its key in a slice of time this long, and when it is the first in it from its
/// address, as far as a small filter can tell addresses apart: of few addresses nearly all are noted, and of one key at most 40 in a
/// slice. With [`FLUSH_EVERY`] and the write itself the time of last use stays accurate to one minute, as promised.
pub const USE_RESOLUTION: Duration = Duration::from_secs(30);
/// Most uses in one write: the cost per row no longer falls beyond it, and the writer is not held up.
pub const USES_PER_WRITE: usize = 1_000;
/// Most noted uses in memory, about 5 MB. A key that finds no room is noted with its next use; further addresses of
/// keys find room in half of it, so that a flood of addresses does not keep last uses out, and have another chance in the next slice.
pub const USES_PENDING: usize = 65_536;

const ADDRESSES_PENDING: usize = USES_PENDING / 2;
const SLICE_MILLIS: i64 = 30_000;
const _: () = assert!(USE_RESOLUTION.as_millis() == SLICE_MILLIS as u128);
const _: () = assert!((USE_RESOLUTION.as_secs() + FLUSH_EVERY.as_secs() + TOUCH_TIMEOUT.as_secs()) < 60);

/// Uses on their way to the source.
pub(crate) struct LastUses {
    source: Arc<dyn KeySource>,
    /// Apart from what is read with every use, as it is written to by all cores.
    pending: Box<Mutex<VecDeque<Use>>>,
    half_full: Notify,
    /// Nobody else knows which addresses look alike.
    seed: u64,
}

impl LastUses {
    pub(crate) fn new(source: Arc<dyn KeySource>) -> Arc<Self> {
        let seed = RandomState::new().hash_one(0);
        Arc::new(Self { source, pending: Box::default(), half_full: Notify::new(), seed })
    }

    /// Notes a use unless one in the same slice of time from the same address is noted already.
    pub(crate) fn note(&self, key: &CachedKey, at: Timestamp, ip: Option<IpAddr>) {
        if let Some(news) = key.lately.note(Sighting::new(slice_of(at), ip, self.seed)) {
            self.note_new(key, news, at, ip);
        }
    }

    #[cold]
    fn note_new(&self, key: &CachedKey, news: News, at: Timestamp, ip: Option<IpAddr>) {
        let ip = ip.map(|ip| ip.to_canonical());
        let seen = Use { tenant_id: key.tenant_id(), key_id: key.id(), at, ip };
        let room = match news {
            News::First => USES_PENDING,
            News::Address => ADDRESSES_PENDING,
        };
        let pending = {
            let mut pending = self.pending.lock();
            if pending.len() < room {
                pending.push_back(seen);
                Some(pending.len())
            } else {
                None
            }
        };
        match pending {
            None if news == News::First => key.lately.forget(),
            Some(length) if length >= USES_PENDING / 2 => self.half_full.notify_one(),
            None | Some(_) => {}
        }
    }

    /// Writes all that is noted, in batches; stops at the first that fails, which is kept for later.
    pub(crate) async fn flush(&self) -> Result<(), SourceUnavailable> {
        loop {
            let uses = self.next_uses();
            if uses.is_empty() {
                return Ok(());
            }
            if let Err(unavailable) = self.write(uses.clone()).await {
                self.put_back(uses);
                return Err(unavailable);
            }
        }
    }

    /// A task of its own, so that a source that panics does not end the flushing.
    async fn write(&self, uses: Vec<Use>) -> Result<(), SourceUnavailable> {
        let source = Arc::clone(&self.source);
        let write = tokio::spawn(async move {
            tokio::time::timeout(TOUCH_TIMEOUT, source.touch(uses)).await.unwrap_or(Err(SourceUnavailable))
        });
        write.await.unwrap_or(Err(SourceUnavailable))
    }

    fn next_uses(&self) -> Vec<Use> {
        let mut pending = self.pending.lock();
        let count = pending.len().min(USES_PER_WRITE);
        pending.drain(..count).collect()
    }

    /// Back to the front, as far as there is room; the source lets the latest moment win.
    fn put_back(&self, uses: Vec<Use>) {
        let mut pending = self.pending.lock();
        let room = USES_PENDING.saturating_sub(pending.len());
        uses.into_iter().rev().take(room).for_each(|kept| pending.push_front(kept));
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.lock().len()
    }

    /// Ends when half of the room is taken.
    pub(crate) async fn filling(&self) {
        self.half_full.notified().await;
    }
}

/// The number of the slice of time since the epoch; what was before belongs to the first.
fn slice_of(at: Timestamp) -> u64 {
    u64::try_from(at.as_millis().div_euclid(SLICE_MILLIS)).unwrap_or(0)
}
