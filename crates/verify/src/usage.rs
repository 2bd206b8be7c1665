//! How often keys are allowed and refused, minute by minute, without a write per request.
//!
//! An allowed request counts up in its key. The first one since the key was last gathered also puts the key on a list, so
//! that gathering visits the keys that were used and no others, and a key that is forgotten meanwhile keeps its count.
//! Refusals, and decisions that waited for their key, are counted apart. What is gathered is written in batches.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeBounds;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use keystile_core::usage::Latency;
use keystile_core::{Clock, Code, Environment, KeyId, KeyUsage, Minute, TenantId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::background::TOUCH_TIMEOUT;
use crate::cached_key::CachedKey;
use crate::source::{KeySource, SourceUnavailable, UsageBatch};
use crate::tally::Added;

/// Most counts in one write: the cost per row no longer falls beyond it, and the writer is not held up.
pub const COUNTS_PER_WRITE: usize = 1_000;
/// Most counts that wait for the source, as many that were not gathered yet, and most keys that count at a time: at most
/// about 60 MB together, when the source is away. What finds no room is not counted.
pub const COUNTS_PENDING: usize = 262_144;

/// Independent parts, so that keys that begin to count, and refusals, seldom wait for each other.
const PARTS: usize = 16;
const MOST_IN_PART: usize = COUNTS_PENDING / PARTS;

/// What is counted: a decision about a key in a minute, after such a wait. The environment follows from the key.
type Place = (TenantId, KeyId, Minute, Code, Latency, Environment);

/// Counts on their way to the source.
pub(crate) struct Usage {
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    parts: [Mutex<Part>; PARTS],
    gathered: tokio::sync::Mutex<Gathered>,
    half_full: Notify,
    lost: AtomicU64,
    failed_flushes: AtomicU64,
}

#[derive(Default)]
struct Part {
    /// Keys with a count of their own.
    counting: Vec<Arc<CachedKey>>,
    /// What no key counts: refusals, what had to wait, and minutes that are over.
    counts: HashMap<Place, u64>,
}

/// What waits to be written.
#[derive(Default)]
struct Gathered {
    /// In the order of the keys: two writes that meet lock in the same order.
    counts: BTreeMap<Place, u64>,
    /// Taken from it, and not known to be written.
    batch: Option<UsageBatch>,
}

impl Usage {
    pub(crate) fn new(source: Arc<dyn KeySource>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            source,
            clock,
            parts: std::array::from_fn(|_| Mutex::default()),
            gathered: tokio::sync::Mutex::default(),
            half_full: Notify::new(),
            lost: AtomicU64::new(0),
            failed_flushes: AtomicU64::new(0),
        })
    }

    /// Counts a request that was allowed from memory.
    pub(crate) fn allowed(&self, key: &Arc<CachedKey>, now: Timestamp) {
        let minute = Minute::of(now);
        let added = key.tally.add(minute);
        if added != Added::Another {
            self.begin(key, minute, &added);
        }
    }

    /// Counts a refusal, or what was decided after a wait.
    #[cold]
    pub(crate) fn apart(&self, key: &CachedKey, code: Code, latency: Latency, now: Timestamp) {
        let place = (key.tenant_id(), key.id(), Minute::of(now), code, latency, key.environment());
        self.add_to(&mut self.part_of(key).lock(), place, 1);
    }

    #[cold]
    fn begin(&self, key: &Arc<CachedKey>, minute: Minute, added: &Added) {
        let mut part = self.part_of(key).lock();
        if let Added::Instead(before) = added {
            return self.add_to(&mut part, from_memory(key, before.minute(minute)), before.count.into());
        }
        if part.counting.len() < MOST_IN_PART {
            part.counting.push(Arc::clone(key));
            self.tell_if_half(part.counting.len());
        } else {
            // Nobody would ever gather it.
            self.lose(key.tally.take().count.into());
        }
    }

    /// Writes all that is counted, in batches; stops at the first that fails, which is kept for later.
    pub(crate) async fn flush(&self) -> Result<(), SourceUnavailable> {
        self.gather(&mut self.gathered.lock().await.counts);
        while self.write_next(Gathered::of_all).await? {}
        Ok(())
    }

    /// The same for what is counted of one key, which is a single batch, but for the one that failed the last time.
    pub(crate) async fn flush_key(&self, tenant_id: TenantId, id: KeyId) -> Result<(), SourceUnavailable> {
        self.gather(&mut self.gathered.lock().await.counts);
        while self.write_next(|gathered| gathered.of_key(tenant_id, id)).await? {}
        Ok(())
    }

    /// The same for all, unless that is more than one batch and would keep a reader waiting.
    pub(crate) async fn flush_few(&self) -> Result<(), SourceUnavailable> {
        let gathered = self.gathered.lock().await.counts.len();
        let apart = |part: &Mutex<Part>| {
            let part = part.lock();
            part.counting.len() + part.counts.len()
        };
        let pending = gathered + self.parts.iter().map(apart).sum::<usize>();
        if pending > COUNTS_PER_WRITE { Ok(()) } else { self.flush().await }
    }

    /// Writes one batch; tells whether there was any. Others can have their turn between two.
    async fn write_next(
        &self,
        next: impl FnOnce(&mut Gathered) -> Vec<KeyUsage>,
    ) -> Result<bool, SourceUnavailable> {
        let mut gathered = self.gathered.lock().await;
        let Some(batch) = gathered.batch_of(next) else { return Ok(false) };
        self.write(batch).await?;
        gathered.batch = None;
        Ok(true)
    }

    /// Takes the counts out of the parts and the keys.
    fn gather(&self, counts: &mut BTreeMap<Place, u64>) {
        for part in &self.parts {
            let Part { counting, counts: apart } = std::mem::take(&mut *part.lock());
            let now = Minute::of(self.clock.now());
            let of_key = |key: Arc<CachedKey>| {
                let taken = key.tally.take();
                (from_memory(&key, taken.minute(now)), u64::from(taken.count))
            };
            for (place, count) in apart.into_iter().chain(counting.into_iter().map(of_key)) {
                if count > 0 {
                    self.add_ordered(counts, place, count);
                }
            }
        }
    }

    /// A task of its own, so that a source that panics does not end the flushing.
    async fn write(&self, batch: UsageBatch) -> Result<(), SourceUnavailable> {
        let source = Arc::clone(&self.source);
        let write = tokio::spawn(async move {
            tokio::time::timeout(TOUCH_TIMEOUT, source.count(batch)).await.unwrap_or(Err(SourceUnavailable))
        });
        write.await.unwrap_or(Err(SourceUnavailable))
    }

    fn add_to(&self, part: &mut Part, place: Place, count: u64) {
        let counts = &mut part.counts;
        if let Some(known) = counts.get_mut(&place) {
            *known += count;
        } else if counts.len() < MOST_IN_PART {
            counts.insert(place, count);
            self.tell_if_half(counts.len());
        } else {
            self.lose(count);
        }
    }

    fn tell_if_half(&self, taken: usize) {
        if taken == MOST_IN_PART / 2 {
            self.half_full.notify_one();
        }
    }

    fn add_ordered(&self, counts: &mut BTreeMap<Place, u64>, place: Place, count: u64) {
        if counts.len() < COUNTS_PENDING {
            *counts.entry(place).or_default() += count;
        } else if let Some(known) = counts.get_mut(&place) {
            *known += count;
        } else {
            self.lose(count);
        }
    }

    fn lose(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
    }

    /// How much was not counted for lack of room.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// A round of writing failed.
    pub(crate) fn note_failed_flush(&self) {
        self.failed_flushes.fetch_add(1, Ordering::Relaxed);
    }

    /// How many rounds of writing failed.
    pub(crate) fn failed_flushes(&self) -> u64 {
        self.failed_flushes.load(Ordering::Relaxed)
    }

    /// Ends when half of the room is taken.
    pub(crate) async fn filling(&self) {
        self.half_full.notified().await;
    }

    fn part_of(&self, key: &CachedKey) -> &Mutex<Part> {
        &self.parts[usize::from(key.id().as_u128().to_le_bytes()[0]) % PARTS]
    }
}

impl Gathered {
    /// The batch that was not written the last time, or else one of what `next` takes out.
    fn batch_of(&mut self, next: impl FnOnce(&mut Self) -> Vec<KeyUsage>) -> Option<UsageBatch> {
        if self.batch.is_none() {
            let counts = next(self);
            self.batch = (!counts.is_empty()).then(|| UsageBatch { id: random(), counts });
        }
        self.batch.clone()
    }

    /// The first of all.
    fn of_all(&mut self) -> Vec<KeyUsage> {
        self.take(..)
    }

    /// The first of one key.
    fn of_key(&mut self, tenant_id: TenantId, id: KeyId) -> Vec<KeyUsage> {
        let first =
            (tenant_id, id, Minute::new(0), Code::KeyMissing, Latency::Memory, Environment::Production);
        let last =
            (tenant_id, id, Minute::new(u32::MAX), Code::Allowed, Latency::Longer, Environment::Development);
        self.take(first..=last)
    }

    fn take(&mut self, places: impl RangeBounds<Place>) -> Vec<KeyUsage> {
        let taken = self.counts.extract_if(places, |_, _| true).take(COUNTS_PER_WRITE);
        let usage = |((tenant_id, key_id, minute, code, latency, environment), count)| KeyUsage {
            tenant_id,
            key_id,
            minute,
            code,
            latency,
            environment,
            count,
        };
        taken.map(usage).collect()
    }
}

/// Where a key's own count belongs.
fn from_memory(key: &CachedKey, minute: Minute) -> Place {
    (key.tenant_id(), key.id(), minute, Code::Allowed, Latency::Memory, key.environment())
}

/// Enough to tell batches apart; the standard library seeds its hashers by the system.
fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}
