//! Events of many requests are written together, each answered when it is on the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_core::{Clock, Entropy, Event, EventId, Heard, Stamp, Timestamp};
use keystile_store::{EventBatch, Store, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ingest_measures::{IngestLoad, IngestMeasures};
use crate::refusals::Refusals;

/// Most requests that wait to be written: several transactions of requests with one event each.
const QUEUE: usize = 4_096;
/// Most memory of events that wait, in KiB. One that finds no room waits for it.
const ROOM_KIB: u32 = 64 * 1024;
/// How long a request waits for room before it is told to come back later.
const PATIENCE: Duration = Duration::from_secs(5);
/// Events after which a transaction takes no more requests. Others who write wait for it, some 30 milliseconds.
const ENOUGH: usize = 3_000;
/// What an event takes in memory beside what it says, in bytes, or less.
const AROUND_AN_EVENT: usize = 512;
/// Time between two writings of refused events: what a kill may leave uncounted of them.
const REFUSALS_EVERY: Duration = Duration::from_secs(5);

/// Takes events in; clones are the same.
#[derive(Clone)]
pub struct Ingest {
    queue: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    refusals: Arc<Refusals>,
    measures: Arc<IngestMeasures>,
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// A request that waits to be written.
struct Waiting {
    batch: Arc<EventBatch>,
    /// Its part of the room, taken for as long as it waits, whoever else still does.
    _room: OwnedSemaphorePermit,
    answer: oneshot::Sender<Result<Vec<Heard>, NotKept>>,
}

/// Why events may not be kept. Sent again with the same ids, each is kept once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotKept {
    /// So many wait already that these must come back later; none is kept.
    #[error("too many events wait to be written; send them again in a moment")]
    Busy,
    /// The store does not answer; none is kept.
    #[error("the store cannot keep events now; send them again")]
    Unavailable,
    /// The store was lost while it saved them; all are kept, or none.
    #[error("the store was lost while it saved these events; send them again with the same ids")]
    Unknown,
    /// Our own fault, which was logged; none is kept.
    #[error("these events cannot be kept, which is our fault and was logged")]
    Failed,
}

impl NotKept {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Busy, Self::Unavailable, Self::Unknown, Self::Failed];

    /// What it is called in a metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// The tasks that write: events, and now and then how many were refused.
pub(crate) struct Gatherer {
    events: JoinHandle<()>,
    refused: JoinHandle<()>,
    refusals: Arc<Refusals>,
    store: Store,
}

/// Ends them, when nobody sends any more.
impl Drop for Gatherer {
    fn drop(&mut self) {
        self.events.abort();
        self.refused.abort();
    }
}

impl Gatherer {
    /// Counts what was refused last, and ends the tasks, when nobody sends any more.
    pub(crate) async fn stop(self) {
        if let Err(error) = self.refusals.write(&self.store).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "some refused events are not counted");
        }
    }
}

impl Ingest {
    /// Starts the tasks that write.
    pub(crate) fn start(store: Store, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> (Self, Gatherer) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
        let (refusals, measures) = (Arc::<Refusals>::default(), Arc::<IngestMeasures>::default());
        let events = tokio::spawn(run(store.clone(), waiting, Arc::clone(&measures)));
        let refused = tokio::spawn(count_refused(store.clone(), Arc::clone(&refusals)));
        let gatherer = Gatherer { events, refused, refusals: Arc::clone(&refusals), store: store.clone() };
        (Self { queue, room, refusals, measures, store, clock, entropy }, gatherer)
    }

    /// Notes that so many events of a sender were refused before anybody tried to keep them, as they break a rule or cannot be
    /// read. They are counted in the store within seconds; a kill may lose those of the last five.
    pub fn note_refused(&self, stamp: &Stamp, count: u64) {
        if count > 0 {
            self.measures.count_invalid(count);
            self.refusals.note(stamp, self.clock.now(), count);
        }
    }

    /// Writes down what was refused so far, for whoever is about to read how many there were.
    ///
    /// # Errors
    /// When the store does not take it; it is tried again later.
    pub async fn write_refused(&self) -> Result<(), StoreError> {
        self.refusals.write(&self.store).await
    }

    /// How events came in since the process began.
    pub fn measures(&self) -> &IngestMeasures {
        &self.measures
    }

    /// What waits now.
    pub fn load(&self) -> IngestLoad {
        let kib = |permits: usize| permits * 1024;
        IngestLoad {
            queued: QUEUE - self.queue.capacity(),
            most_queued: QUEUE,
            held_bytes: kib((ROOM_KIB as usize).saturating_sub(self.room.available_permits())),
            most_bytes: kib(ROOM_KIB as usize),
        }
    }

    /// Keeps events that were sent together, and tells of each what became of it. When this returns, they are on the disk. They
    /// are kept even if nobody waits for the answer any more.
    ///
    /// # Errors
    /// When they may not be kept.
    pub async fn keep(&self, stamp: Stamp, events: Vec<Event>) -> Result<Vec<Heard>, NotKept> {
        let said: usize = events.iter().map(|event| event.data.get().len()).sum();
        let count = events.len();
        self.measures.count_request(said as u64);
        let kept = self.queue_up(stamp, events, AROUND_AN_EVENT * count + said).await;
        match &kept {
            Ok(heard) => self.measures.count_heard(heard),
            Err(why) => self.measures.count_not_kept(*why, count as u64),
        }
        kept
    }

    async fn queue_up(&self, stamp: Stamp, events: Vec<Event>, bytes: usize) -> Result<Vec<Heard>, NotKept> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).map_or(ROOM_KIB, |kib| kib.min(ROOM_KIB));
        let room = tokio::time::timeout(PATIENCE, Arc::clone(&self.room).acquire_many_owned(wanted)).await;
        let room = room.map_err(|_| NotKept::Busy)?.map_err(|_| NotKept::Unavailable)?;
        let batch = Arc::new(self.batch(stamp, events)?);
        let (answer, answered) = oneshot::channel();
        let sent = self.queue.send_timeout(Waiting { batch, _room: room, answer }, PATIENCE).await;
        sent.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => NotKept::Busy,
            mpsc::error::SendTimeoutError::Closed(_) => NotKept::Unavailable,
        })?;
        answered.await.unwrap_or(Err(NotKept::Unknown))
    }

    fn batch(&self, stamp: Stamp, events: Vec<Event>) -> Result<EventBatch, NotKept> {
        let received_at = self.clock.now();
        let mut random = [0; 16];
        self.entropy.fill(&mut random).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "events cannot be named");
            NotKept::Failed
        })?;
        let mut next = u128::from_be_bytes(random);
        let named = events.into_iter().map(|event| {
            next = next.wrapping_add(1);
            (named(&event, received_at, next), event)
        });
        Ok(EventBatch { stamp, received_at, events: named.collect() })
    }
}

fn named(event: &Event, received_at: Timestamp, random: u128) -> EventId {
    EventId::from_parts(event.occurred_at.unwrap_or(received_at), random)
}

/// Writes down, again and again, how many events were refused.
async fn count_refused(store: Store, refusals: Arc<Refusals>) {
    loop {
        tokio::time::sleep(REFUSALS_EVERY).await;
        if let Err(error) = refusals.write(&store).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "refused events cannot be counted now");
        }
    }
}

/// Takes what waits into one transaction, and so on until nobody can send any more.
async fn run(store: Store, mut queue: mpsc::Receiver<Waiting>, measures: Arc<IngestMeasures>) {
    while let Some(first) = queue.recv().await {
        let mut events = first.batch.events.len();
        let mut together = vec![first];
        while events < ENOUGH {
            let Ok(next) = queue.try_recv() else { break };
            events += next.batch.events.len();
            together.push(next);
        }
        // In a task of its own, so that a panic costs these requests only.
        let written = tokio::spawn(write(store.clone(), together, Arc::clone(&measures)));
        if written.await.is_err() {
            tracing::error!("the writing of events ended with a panic");
        }
    }
}

async fn write(store: Store, together: Vec<Waiting>, measures: Arc<IngestMeasures>) {
    let batches = together.iter().map(|waiting| Arc::clone(&waiting.batch)).collect();
    let began = Instant::now();
    let added = store.add_events(batches).await;
    measures.commits.record(began.elapsed());
    match added {
        Ok(heard) => {
            for (waiting, heard) in together.into_iter().zip(heard) {
                // Nobody to tell when the client has gone away.
                let _gone = waiting.answer.send(Ok(heard));
            }
        }
        // What the store refuses may be the fault of one request, which the others are not to suffer for.
        Err(StoreError::Refused(_) | StoreError::Corrupt(_)) if together.len() > 1 => {
            for waiting in together {
                let heard = store.add_events(vec![Arc::clone(&waiting.batch)]).await;
                let heard = heard.map(|heard| heard.into_iter().flatten().collect());
                let _gone = waiting.answer.send(heard.map_err(|error| not_kept(&error)));
            }
        }
        Err(error) => {
            let why = not_kept(&error);
            for waiting in together {
                let _gone = waiting.answer.send(Err(why));
            }
        }
    }
}

fn not_kept(error: &StoreError) -> NotKept {
    tracing::error!(error = error as &dyn std::error::Error, "events were not kept");
    match error {
        StoreError::Unavailable(_) => NotKept::Unavailable,
        StoreError::InDoubt { .. } => NotKept::Unknown,
        StoreError::Refused(_)
        | StoreError::Corrupt(_)
        | StoreError::Conflict(_)
        | StoreError::Archived(_) => NotKept::Failed,
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::event::EntityName;
    use keystile_core::key::TrustLevel;
    use keystile_core::{ApplicationId, Environment, KeyId, TenantId};
    use keystile_store::Location;
    use serde_json::value::RawValue;

    use super::*;
    use crate::system::{SystemClock, SystemEntropy};

    fn event() -> Event {
        Event {
            source_event_id: None,
            event_type: "order.paid".to_owned(),
            entity: EntityName::new("order".to_owned(), "1".to_owned()).unwrap(),
            data: RawValue::from_string("{}".to_owned()).unwrap(),
            occurred_at: None,
        }
    }

    fn stamp() -> Stamp {
        let start = Timestamp::from_millis(0);
        Stamp {
            tenant_id: TenantId::from_parts(start, 1),
            environment: Environment::Production,
            application_id: ApplicationId::from_parts(start, 1),
            key_id: KeyId::from_parts(start, 1),
            source_id: "shop".to_owned(),
            trust_level: TrustLevel::Internal,
        }
    }

    #[tokio::test]
    async fn events_take_their_room_until_they_are_written_whoever_waits() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("keystile.db"));
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let room = Arc::new(Semaphore::new(ROOM_KIB as usize));
        let ingest = Ingest {
            queue,
            room: Arc::clone(&room),
            refusals: Arc::default(),
            measures: Arc::default(),
            store: Store::open(location).await.unwrap(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        };
        let gone = tokio::spawn(async move { ingest.keep(stamp(), vec![event()]).await });
        let kept = waiting.recv().await.unwrap();
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        assert!(room.available_permits() < ROOM_KIB as usize);
        drop(kept);
        assert_eq!(room.available_permits(), ROOM_KIB as usize);
    }
}
