//! Reads what is missing: each key once, many keys per query.
//!
//! While a query is under way the keys that are asked for meanwhile gather in a queue, and the next query
//! takes them all. So a single miss is read at once, and under load queries grow instead of multiplying.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keystile_core::{Clock, Digest, KeyReading};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::cache::{Boarding, Cache};
use crate::cached_key::{CachedKey, Shared};
use crate::flight::{Flight, Landing, Ticket};
use crate::meter::{Meters, OwnerId};
use crate::source::KeySource;
use crate::standing::Standing;

/// Most digests in one query. Beyond this a query gains little per key, and its answer is held up by it.
pub const DIGESTS_PER_QUERY: usize = 256;
/// Most queries under way at a time: enough to hide a round trip to a database on the network, and few enough that
/// a flood of unknown keys leaves the connections of the store to others.
pub const QUERIES_IN_FLIGHT: usize = 4;
/// Most keys that wait for a query: sixteen full ones, four rounds of waiting. Whoever comes then is refused as
/// unavailable, which is better than an answer after its caller has gone.
pub const MISSES_WAITING: usize = 16 * DIGESTS_PER_QUERY;
/// Most parts of batches that are queued or read at a time, each of a query's size: what the workers can read at once. So batches fill a
/// quarter of what may wait, however many there are, and the rest is left to single questions.
pub const BATCH_PARTS: usize = QUERIES_IN_FLIGHT;
/// Longest a query may take, and longest a verification waits for its key: no gateway waits longer for an
/// answer, and a database that needs more has failed.
pub const FILL_TIMEOUT: Duration = Duration::from_secs(2);

/// How often one verification looks again because its key was changed while it was read.
const LOOKS: usize = 4;

/// The queue of missing keys and the workers that read them.
pub(crate) struct Fills {
    cache: Arc<Cache>,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    shared: Shared,
    queue: Mutex<Queue>,
    batch_parts: Semaphore,
    /// For reads that nobody shares.
    alone: Semaphore,
    standing: Arc<Standing>,
    queries: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Ticket>,
    workers: usize,
}

/// A key that is about to be there.
enum Boarded {
    Landed(Landing),
    Waiting(Arc<Flight>),
    /// Nothing that is known, or was begun to be read, may be believed.
    Alone,
}

impl Fills {
    pub(crate) fn new(
        cache: Arc<Cache>,
        source: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        standing: Arc<Standing>,
    ) -> Arc<Self> {
        let (shared, queue) = (Shared::new(), Mutex::default());
        let (batch_parts, alone) = (Semaphore::new(BATCH_PARTS), Semaphore::new(QUERIES_IN_FLIGHT));
        let queries = AtomicU64::new(0);
        Arc::new(Self { cache, source, clock, shared, queue, batch_parts, alone, standing, queries })
    }

    /// The key with this digest, read by this caller or another. Never says [`Landing::Overtaken`].
    pub(crate) async fn find(self: &Arc<Self>, digest: &Digest) -> Landing {
        tokio::time::timeout(FILL_TIMEOUT, self.look(digest)).await.unwrap_or(Landing::Unavailable)
    }

    /// Tells `landed` of each key with these digests, in order, as soon as it and those before it are there. All of a query's size
    /// are queued before one is waited for, so that few queries read them; no more of one caller's wait at a time, and no more
    /// than [`BATCH_PARTS`] of all such callers, so that there is room for others. It takes no longer than [`Self::find`].
    pub(crate) async fn find_all(
        self: &Arc<Self>,
        digests: &[Digest],
        mut landed: impl FnMut(usize, Landing) + Send,
    ) {
        let mut told = 0;
        let read = async {
            for part in digests.chunks(DIGESTS_PER_QUERY) {
                // It is never closed.
                let _turn = self.batch_parts.acquire().await;
                let boarded: Vec<_> = part.iter().map(|digest| (digest, self.board(digest))).collect();
                for (digest, boarded) in boarded {
                    landed(told, self.land(digest, boarded).await);
                    told += 1;
                }
            }
        };
        // Those that were not read in time are unavailable.
        let _in_time = tokio::time::timeout(FILL_TIMEOUT, read).await;
        (told..digests.len()).for_each(|place| landed(place, Landing::Unavailable));
    }

    async fn look(self: &Arc<Self>, digest: &Digest) -> Landing {
        self.land(digest, self.board(digest)).await
    }

    /// What is known, or a read that is under way from now on.
    fn board(self: &Arc<Self>, digest: &Digest) -> Boarded {
        if !self.standing.is_good() {
            return Boarded::Alone;
        }
        match self.cache.board(digest) {
            Boarding::Landed(landing) => Boarded::Landed(landing),
            Boarding::Joined(flight) => Boarded::Waiting(flight),
            Boarding::Opened(ticket, flight) => {
                self.enqueue(ticket);
                Boarded::Waiting(flight)
            }
        }
    }

    /// Waits, and looks again if the key was changed while it was read.
    async fn land(self: &Arc<Self>, digest: &Digest, mut boarded: Boarded) -> Landing {
        for _ in 0..LOOKS {
            let landing = match boarded {
                Boarded::Landed(landing) => landing,
                Boarded::Waiting(flight) => flight.landed().await,
                Boarded::Alone => self.read_alone(digest).await,
            };
            if !matches!(landing, Landing::Overtaken) {
                return landing;
            }
            boarded = self.board(digest);
        }
        Landing::Unavailable
    }

    /// Reads a key for one caller, and keeps nothing of it: whoever asks at the same time may have come after a change that this read has not
    /// seen. When a lease has begun meanwhile, the limits that it shares with others may be older than what is known of them by now.
    async fn read_alone(&self, digest: &Digest) -> Landing {
        let without = self.standing.without();
        // It is never closed.
        let _turn = self.alone.acquire().await;
        self.queries.fetch_add(1, Ordering::Relaxed);
        let Ok(found) = self.source.facts(vec![*digest]).await else { return Landing::Unavailable };
        let now = self.clock.elapsed_millis();
        let Some(_still) = self.standing.still(without) else { return Landing::Overtaken };
        match found.into_iter().find(|reading| reading.digest == *digest) {
            Some(reading) => {
                let key = CachedKey::new(*digest, &reading.facts, &self.shared, now);
                key.shared_meters().set(&reading.shared_rates, now);
                Landing::Found(Arc::new(key))
            }
            None => Landing::Absent,
        }
    }

    /// Queues a read. When the queue is full the ticket is dropped, which lands it as unavailable.
    fn enqueue(self: &Arc<Self>, ticket: Ticket) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= MISSES_WAITING {
            drop(queue);
            return drop(ticket);
        }
        queue.waiting.push(ticket);
        if queue.workers < QUERIES_IN_FLIGHT {
            queue.workers += 1;
            drop(queue);
            let worker = Worker { fills: Arc::clone(self), retired: false };
            runtime.spawn(worker.run());
        }
    }

    async fn query(&self, tickets: Vec<Ticket>) {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let digests = tickets.iter().map(|ticket| *ticket.digest()).collect();
        let answer = tokio::time::timeout(FILL_TIMEOUT, self.source.facts(digests)).await;
        let Ok(Ok(found)) = answer else { return drop(tickets) };
        let found: HashMap<Digest, KeyReading> =
            found.into_iter().map(|reading| (reading.digest, reading)).collect();
        let now = self.clock.elapsed_millis();
        for ticket in tickets {
            let read = found.get(ticket.digest()).map(|reading| {
                let key = CachedKey::new(*ticket.digest(), &reading.facts, &self.shared, now);
                (Arc::new(key), reading.shared_rates.clone())
            });
            ticket.land(Ok(read));
        }
    }

    /// The limits of `owner` were changed: what is read from now on, and only that, counts.
    ///
    /// Reads under way come first. One that lands before it is detached may still say what the limits were; they
    /// are forgotten after it. One that lands later says nothing.
    pub(crate) fn forget_limits(&self, owner: OwnerId) {
        self.cache.detach_flights();
        self.shared.meters.forget_limits(owner);
    }

    /// Queries made so far.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// Keys that wait for a query.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().waiting.len()
    }

    pub(crate) fn meters(&self) -> &Arc<Meters> {
        &self.shared.meters
    }

    pub(crate) fn profiles(&self) -> usize {
        self.shared.profiles.len()
    }
}

/// Makes one query after the other until nothing waits.
struct Worker {
    fills: Arc<Fills>,
    retired: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(tickets) = self.next_tickets() {
            self.fills.query(tickets).await;
        }
    }

    /// The oldest tickets. With `None` the worker has retired, in the same step in which it saw that nothing
    /// waits, so that whoever comes later starts another.
    fn next_tickets(&mut self) -> Option<Vec<Ticket>> {
        let mut queue = self.fills.queue.lock();
        if queue.waiting.is_empty() {
            queue.workers -= 1;
            self.retired = true;
            return None;
        }
        let count = queue.waiting.len().min(DIGESTS_PER_QUERY);
        Some(queue.waiting.drain(..count).collect())
    }
}

impl Drop for Worker {
    /// A query panicked or the runtime stops. If no other worker is left, nobody would read what waits.
    fn drop(&mut self) {
        if self.retired {
            return;
        }
        let mut queue = self.fills.queue.lock();
        queue.workers -= 1;
        let abandoned = if queue.workers == 0 { std::mem::take(&mut queue.waiting) } else { Vec::new() };
        drop(queue);
        drop(abandoned);
    }
}
