//! Events come in, each once.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use keystile_core::{Event, EventId, Heard, Stamp, Timestamp};

use super::fold::{self, Told};
use super::rows;
use super::same::is_same;
use super::spaces::{self, Numbers, Rules};
use super::tally::Tally;
use crate::chunked::{Chunked, places};
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

static INSERT: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "INSERT INTO events (space, id, source, stream, entity, source_event_id, received_at, event_type,
                entity_type, entity_id, data)
             VALUES {}
             ON CONFLICT (source, source_event_id) WHERE source_event_id IS NOT NULL DO NOTHING",
            places(size, 11)
        )
    })
});

const SAID: &str = "SELECT id, received_at, event_type, entity_type, entity_id, data FROM events
    WHERE source = $1 AND source_event_id = $2";

/// Events that were sent together. Each has an id that tells when it happened.
#[derive(Debug)]
pub struct EventBatch {
    /// What is put on them.
    pub stamp: Stamp,
    /// When they were received.
    pub received_at: Timestamp,
    /// The events.
    pub events: Vec<(EventId, Event)>,
}

/// One of them, with all that is needed to keep it.
struct Coming<'b> {
    batch: &'b EventBatch,
    id: EventId,
    event: &'b Event,
    numbers: Numbers,
    rules: Rules,
}

impl Store {
    /// Keeps events, and what they say of their entities, in one transaction, and counts them in it; tells of each, batch by batch,
    /// what became of it.
    ///
    /// # Errors
    /// When the database is unavailable; nothing is kept then.
    pub async fn add_events(&self, batches: Vec<Arc<EventBatch>>) -> Result<Vec<Vec<Heard>>, StoreError> {
        self.write_quietly(batches, |batches, tx| Box::pin(add(batches, tx))).await
    }
}

async fn add(batches: &[Arc<EventBatch>], tx: &mut Tx<'_>) -> Result<Vec<Vec<Heard>>, StoreError> {
    let coming = prepare(batches, tx).await?;
    let young: Vec<_> = coming.iter().filter(|one| !one.is_too_old()).collect();
    let values: Vec<_> = young.iter().map(|one| one.values()).collect();
    let written = INSERT.write(values, tx).await?;
    let doubtful = young.iter().zip(written).filter(|(one, is_new)| !is_new && one.has_id_of_source());
    let known = compare(doubtful.map(|(one, _)| *one), tx).await?;
    let new = young.iter().filter(|one| !known.contains_key(&one.id));
    fold::hear(new.map(|one| one.told()), tx).await?;
    let outcome = |one: &Coming<'_>| match (one.is_too_old(), known.get(&one.id)) {
        (true, _) => Heard::TooOld { days: one.rules.days },
        (false, Some(heard)) => *heard,
        (false, None) => Heard::Accepted,
    };
    let outcomes: Vec<_> = coming.iter().map(|one| (one, outcome(one))).collect();
    let mut tally = Tally::default();
    for alike in outcomes.chunk_by(|one, next| one.1 == next.1 && std::ptr::eq(one.0.batch, next.0.batch)) {
        let [(one, heard), ..] = alike else { continue };
        tally.count(one.numbers, one.batch.received_at, (*heard).into(), alike.len() as u64);
    }
    tally.keep(tx).await?;
    let mut heard = outcomes.into_iter().map(|(_, heard)| heard);
    Ok(batches.iter().map(|batch| heard.by_ref().take(batch.events.len()).collect()).collect())
}

async fn prepare<'b>(batches: &'b [Arc<EventBatch>], tx: &mut Tx<'_>) -> Read<Vec<Coming<'b>>> {
    let (numbers, rules) = spaces::enter(batches.iter().map(|batch| &batch.stamp), tx).await?;
    let mut coming = Vec::with_capacity(batches.iter().map(|batch| batch.events.len()).sum());
    for batch in batches {
        let numbers = numbers.get(&batch.stamp).copied();
        let rules = numbers.and_then(|numbers| rules.get(&numbers.space)).copied();
        let (Some(numbers), Some(rules)) = (numbers, rules) else {
            return Err(StoreError::Corrupt("events have no space".to_owned()));
        };
        let batch: &'b EventBatch = batch;
        let one = |(id, event): &'b (EventId, Event)| Coming { batch, id: *id, event, numbers, rules };
        coming.extend(batch.events.iter().map(one));
    }
    Ok(coming)
}

impl Coming<'_> {
    /// Whether it would be swept at once.
    fn is_too_old(&self) -> bool {
        self.id.made_at() < self.batch.received_at.minus(DAY * u32::from(self.rules.days))
    }

    /// Whether something else may be kept under the same id.
    const fn has_id_of_source(&self) -> bool {
        self.event.source_event_id.is_some()
    }

    fn values(&self) -> Vec<Value> {
        let Numbers { space, source, stream } = self.numbers;
        vec![
            Value::Int(space),
            rows::id(self.id),
            Value::Int(source),
            Value::Int(stream),
            rows::number_of(space, &self.event.entity),
            self.event.source_event_id.clone().map_or(Value::Null, Value::Text),
            self.batch.received_at.into(),
            Value::Text(self.event.event_type.clone()),
            Value::Text(self.event.entity.entity_type.clone()),
            Value::Text(self.event.entity.entity_id.clone()),
            Value::Text(self.event.data.get().to_owned()),
        ]
    }

    fn told(&self) -> Told<'_> {
        Told {
            space: self.numbers.space,
            name: &self.event.entity,
            at: self.id.made_at(),
            stamp: &self.batch.stamp,
            data: &self.event.data,
            overwriting: self.rules.overwriting,
        }
    }

    /// What became of it, as this row is kept under its source's id: nothing to tell if that is its own.
    fn heard_as(&self, mut row: Row) -> Read<Option<Heard>> {
        let id = EventId::from_u128(row.bits("id")?);
        if id == self.id {
            return Ok(None);
        }
        Ok(Some(if self.is_repeated_by(id, row)? { Heard::Repeated } else { Heard::Reused }))
    }

    /// Whether the rest of the row of an earlier event says the same as this one.
    fn is_repeated_by(&self, id: EventId, mut row: Row) -> Read<bool> {
        let occurred_at = id.made_at();
        let received_at = row.time("received_at")?;
        let said_when = self.event.occurred_at.map_or(occurred_at == received_at, |at| at == occurred_at);
        let texts = [row.text("event_type")?, row.text("entity_type")?, row.text("entity_id")?];
        let name = &self.event.entity;
        let own = [&self.event.event_type, &name.entity_type, &name.entity_id];
        Ok(said_when && texts.iter().eq(own) && is_same(&row.json_text("data")?, &self.event.data))
    }
}

/// What became of those that are not new, as something is kept already under the id that their source has given them.
async fn compare<'c>(
    doubtful: impl Iterator<Item = &'c Coming<'c>>,
    tx: &mut Tx<'_>,
) -> Read<BTreeMap<EventId, Heard>> {
    let doubtful: Vec<_> = doubtful.collect();
    let sought = |one: &&Coming<'_>| {
        [Value::Int(one.numbers.source), Value::opt_text(one.event.source_event_id.as_ref())]
    };
    let sought: Vec<_> = doubtful.iter().map(sought).collect();
    let statements: Vec<Statement<'_>> = sought.iter().map(|values| (SAID, values.as_slice())).collect();
    let mut known = BTreeMap::new();
    for (one, rows) in doubtful.iter().zip(tx.pipeline(&statements).await?) {
        let row = rows.into_iter().next();
        // It was there when its id was given again, and has grown too old meanwhile.
        let row =
            row.ok_or_else(|| StoreError::unavailable("an event was removed while it was sent again"))?;
        if let Some(heard) = one.heard_as(row)? {
            known.insert(one.id, heard);
        }
    }
    Ok(known)
}
