//! What events say of entities is added to what is known.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use keystile_core::event::entity::{Said, said};
use keystile_core::event::{EntityName, Saying};
use keystile_core::{Entity, Overwriting, Stamp, Timestamp};
use serde_json::value::RawValue;

use super::entities::{self, COLUMNS};
use crate::StoreError;
use crate::chunked::{Chunked, places, places_as};
use crate::tx::Tx;
use crate::value::Value;

static SELECT: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "SELECT {COLUMNS} FROM (VALUES {}) AS sought CROSS JOIN entities AS e
             WHERE e.space = sought.column1 AND e.entity_type = sought.column2 AND e.entity_id = sought.column3",
            places_as(size, &[Some("BIGINT"), None, None])
        )
    })
});

static WRITE: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "INSERT INTO entities (space, entity_type, entity_id, first_seen, last_seen, latest_source_id,
                latest_trust_level, counted, fields)
             VALUES {}
             ON CONFLICT (space, entity_type, entity_id) DO UPDATE SET first_seen = excluded.first_seen,
                last_seen = excluded.last_seen, latest_source_id = excluded.latest_source_id,
                latest_trust_level = excluded.latest_trust_level, counted = excluded.counted,
                fields = excluded.fields",
            places(size, 9)
        )
    })
});

/// Most entities that are held in memory at a time: the rows of the largest statement.
const ENTITIES_AT_ONCE: usize = 128;

/// What one event says.
pub(super) struct Told<'e> {
    pub(super) space: i64,
    pub(super) name: &'e EntityName,
    pub(super) at: Timestamp,
    pub(super) stamp: &'e Stamp,
    pub(super) data: &'e RawValue,
    pub(super) overwriting: Overwriting,
}

/// Which entity.
type Place<'e> = (i64, &'e EntityName);

/// Hears events about entities whose spaces are locked.
pub(super) async fn hear<'e>(
    events: impl Iterator<Item = Told<'e>>,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let mut told = BTreeMap::<Place<'e>, Vec<Told<'e>>>::new();
    for event in events {
        told.entry((event.space, event.name)).or_default().push(event);
    }
    // Part by part, as entities are much larger than what one event says of them.
    let told: Vec<_> = told.into_iter().collect();
    for part in told.chunks(ENTITIES_AT_ONCE) {
        hear_some(part, tx).await?;
    }
    Ok(())
}

async fn hear_some(told: &[(Place<'_>, Vec<Told<'_>>)], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let sought: Vec<_> = told.iter().map(|(place, _)| place_values(*place)).collect();
    let mut known = BTreeMap::new();
    for row in SELECT.run(sought, tx).await? {
        let (space, name, entity) = entities::read(row)?;
        known.insert((space, name), entity);
    }
    let mut written = Vec::with_capacity(told.len());
    for (place, events) in told {
        let (space, name) = *place;
        let mut entity = known.remove(&(space, name.clone()));
        for event in events {
            entity = Some(with(entity, event)?);
        }
        if let Some(entity) = entity {
            written.push(values(*place, &entity)?);
        }
    }
    WRITE.write(written, tx).await.map(drop)
}

fn with(entity: Option<Entity>, event: &Told<'_>) -> Result<Entity, StoreError> {
    let by = Saying {
        at: event.at,
        trust_level: event.stamp.trust_level,
        source_id: event.stamp.source_id.clone(),
    };
    let said: Said<'_> = said(event.data).map_err(|error| StoreError::Refused(error.to_string()))?;
    let mut entity = entity.unwrap_or_else(|| Entity::unheard(by.clone()));
    entity.hear(&by, &said, event.overwriting);
    Ok(entity)
}

fn place_values((space, name): Place<'_>) -> Vec<Value> {
    vec![Value::Int(space), Value::text(&name.entity_type), Value::text(&name.entity_id)]
}

fn values(place: Place<'_>, entity: &Entity) -> Result<Vec<Value>, StoreError> {
    let fields = serde_json::to_string(&entity.fields);
    let mut values = place_values(place);
    values.extend([
        entity.first_seen.into(),
        entity.last_seen().into(),
        Value::text(&entity.latest.source_id),
        Value::text(entity.latest.trust_level),
        Value::count(Some(entity.count)),
        Value::Text(fields.map_err(|error| StoreError::Refused(error.to_string()))?),
    ]);
    Ok(values)
}
