//! Events that were refused before anybody tried to keep them, until they are counted in the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystile_core::{Minute, Stamp, Timestamp};
use keystile_store::{RefusedEvents, Store, StoreError};
use tokio::sync::Mutex as Turn;

/// Most senders of whom something waits, each for one minute, about 300 bytes each. What others send is in no count meanwhile; it takes
/// more than four thousand senders of broken events in five seconds, or a store that is away for long.
const MOST: usize = 4_096;

/// How many refused events are not counted yet. What waits is lost with the process.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    waiting: Mutex<Waiting>,
    /// Whoever writes has it, so that who comes second does not read before the first has written.
    turn: Turn<()>,
}

/// By sender and minute: how many, and when the last of them came.
type Waiting = HashMap<(Stamp, Minute), (u64, Timestamp)>;

impl Refusals {
    /// Notes events that a sender sent at a moment.
    pub(crate) fn note(&self, stamp: &Stamp, received_at: Timestamp, count: u64) {
        add(&mut self.waiting(), (stamp.clone(), Minute::of(received_at)), count, received_at);
    }

    /// Counts all that waits. What the store could not take waits for the next time, if it is certain that none of it is counted.
    pub(crate) async fn write(&self, store: &Store) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let taken = std::mem::take(&mut *self.waiting());
        if taken.is_empty() {
            return Ok(());
        }
        let refused = |((stamp, _), (count, received_at)): (&(Stamp, Minute), &(u64, Timestamp))| {
            RefusedEvents { stamp: stamp.clone(), received_at: *received_at, count: *count }
        };
        let written = store.count_refused_events(taken.iter().map(refused).collect()).await;
        if let Err(StoreError::Unavailable(_)) = &written {
            let mut waiting = self.waiting();
            for (place, (count, received_at)) in taken {
                add(&mut waiting, place, count, received_at);
            }
        }
        written
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked has left counts, which are as good as before.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(waiting: &mut Waiting, place: (Stamp, Minute), count: u64, received_at: Timestamp) {
    if waiting.len() >= MOST && !waiting.contains_key(&place) {
        return;
    }
    let (counted, last_at) = waiting.entry(place).or_insert((0, received_at));
    *counted += count;
    *last_at = received_at.max(*last_at);
}

#[cfg(test)]
mod tests {
    use keystile_core::{ApplicationId, Environment, KeyId, TenantId, TrustLevel};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + millis)
    }

    fn stamp(source: usize) -> Stamp {
        Stamp {
            tenant_id: TenantId::from_parts(at(0), 1),
            environment: Environment::Production,
            application_id: ApplicationId::from_parts(at(0), 1),
            key_id: KeyId::from_parts(at(0), 1),
            source_id: format!("source-{source}"),
            trust_level: TrustLevel::External,
        }
    }

    #[test]
    fn what_one_sender_sends_in_a_minute_is_one_count() {
        let refusals = Refusals::default();
        for (source, millis, count) in [(1, 0, 2), (1, 59_999, 3), (1, 60_000, 5), (2, 0, 7)] {
            refusals.note(&stamp(source), at(millis), count);
        }
        let minute = |millis| Minute::of(at(millis));
        let waiting = refusals.waiting();
        assert_eq!(waiting[&(stamp(1), minute(0))], (5, at(59_999)));
        assert_eq!(waiting[&(stamp(1), minute(60_000))], (5, at(60_000)));
        assert_eq!((waiting[&(stamp(2), minute(0))].0, waiting.len()), (7, 3));
    }

    #[test]
    fn many_senders_take_bounded_memory() {
        let refusals = Refusals::default();
        (0..2 * MOST).for_each(|source| refusals.note(&stamp(source), at(0), 1));
        refusals.note(&stamp(0), at(0), 1);
        let waiting = refusals.waiting();
        assert_eq!((waiting.len(), waiting[&(stamp(0), Minute::of(at(0)))].0), (MOST, 2));
    }
}
