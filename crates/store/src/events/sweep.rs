//! Events that were kept for long enough are removed, and entities of which nothing was heard for as long.

use std::time::Duration;

use keystile_core::{EventId, Timestamp};

use super::rows;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Most events that one step removes, which keeps others that write waiting for some milliseconds only.
const STEP: u64 = 1_000;

const NEXT: &str = "SELECT space.id, tenants.event_days FROM event_spaces AS space
    JOIN tenants ON tenants.id = space.tenant_id WHERE space.id > $1 ORDER BY space.id LIMIT 1";
const EVENTS: &str = "DELETE FROM events WHERE space = $1 AND id IN
    (SELECT id FROM events WHERE space = $1 AND id < $2 ORDER BY id LIMIT 1000)";
const LOOKED_AT: &str = "SELECT entity_type, entity_id FROM entities
    WHERE space = $1 AND (entity_type, entity_id) > ($2, $3) ORDER BY entity_type, entity_id LIMIT 1 OFFSET 999";
const ENTITIES: &str = "DELETE FROM entities
    WHERE space = $1 AND (entity_type, entity_id) > ($2, $3) AND (entity_type, entity_id) <= ($4, $5)
        AND last_seen < $6";

/// Sorts behind every type of an entity.
const BEHIND_ALL: &str = "\u{7f}";

/// How far sweeping has come; begins with the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    space: i64,
    /// All events of the space are young; its entities up to this one were heard of lately.
    entities: Option<(String, String)>,
    /// The last step has removed as many events as one may.
    was_full: bool,
}

impl Swept {
    /// Whether the last step has removed as many events as one may, so that there are most likely more.
    pub const fn was_full(&self) -> bool {
        self.was_full
    }
}

impl Store {
    /// Removes up to 1,000 events that are older than their tenant keeps them; or looks, if `entities` are swept, too, at up to
    /// 1,000 of them and forgets those that were not heard of for as long. Tells where to go on; nothing when all was
    /// looked at.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_events(
        &self,
        from: Swept,
        now: Timestamp,
        entities: bool,
    ) -> Result<Option<Swept>, StoreError> {
        let args = (from, now, entities);
        let swept =
            self.write_quietly(args, |(from, now, entities), tx| Box::pin(sweep(from, *now, *entities, tx)));
        let Step { next, events, entities } = swept.await?;
        self.own_measures().note_swept(events, entities);
        Ok(next)
    }
}

/// What one step of sweeping has removed, and where to go on.
#[derive(Default)]
struct Step {
    next: Option<Swept>,
    events: u64,
    entities: u64,
}

async fn sweep(from: &Swept, now: Timestamp, entities: bool, tx: &mut Tx<'_>) -> Result<Step, StoreError> {
    // Where entities are looked at, the space is the one that it was.
    let before = if from.entities.is_some() { from.space - 1 } else { from.space };
    let Some(mut row) = tx.query_opt(NEXT, &[Value::Int(before)]).await? else { return Ok(Step::default()) };
    let (space, days) = (row.int("id")?, row.small("event_days")?);
    let end = now.minus(DAY * u32::from(days));
    let Some(place) = from.entities.clone() else {
        let old = [Value::Int(space), rows::id(EventId::from_parts(end, 0))];
        let events = tx.execute(EVENTS, &old).await?;
        let again = if events > 0 {
            Swept { space: space - 1, entities: None, was_full: events >= STEP }
        } else {
            Swept { space, entities: entities.then(Default::default), was_full: false }
        };
        return Ok(Step { next: Some(again), events, entities: 0 });
    };
    let (next, entities) = sweep_entities(space, place, end, tx).await?;
    Ok(Step { next: Some(Swept { space, entities: next, was_full: false }), events: 0, entities })
}

/// Looks at the next entities of a space; tells the last of them, if more may follow, and how many are forgotten.
async fn sweep_entities(
    space: i64,
    (entity_type, entity_id): (String, String),
    end: Timestamp,
    tx: &mut Tx<'_>,
) -> Result<(Option<(String, String)>, u64), StoreError> {
    let behind = [Value::Int(space), Value::Text(entity_type), Value::Text(entity_id)];
    let last = tx.query_opt(LOOKED_AT, &behind).await?;
    let last = last.map(|mut row| Ok::<_, StoreError>((row.text("type")?, row.text("id")?))).transpose()?;
    let (last_type, last_id) = last.clone().unwrap_or_else(|| (BEHIND_ALL.to_owned(), String::new()));
    let [space, entity_type, entity_id] = behind;
    let values = [space, entity_type, entity_id, Value::Text(last_type), Value::Text(last_id), end.into()];
    Ok((last, tx.execute(ENTITIES, &values).await?))
}
