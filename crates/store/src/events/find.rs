//! Events are found again.

use std::sync::LazyLock;

use keystile_core::event::EntityName;
use keystile_core::{Environment, EventId, Stamp, StoredEvent, TenantId, Timestamp};

use super::{rows, spaces};
use crate::page::unseen;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// All events behind the place where a look ends are looked at, those that were kept meanwhile, too. The bound is spelled all the
/// same, so that events are found before their stamps are read.
const ALL: i64 = i64::MAX;
/// Most events that are looked at for one page of a list: a few milliseconds. A filter that few events pass has pages with
/// few of them, or none, and leads on.
const SCAN: u32 = 5_000;
/// Most events on one page.
const MOST: u32 = 1_000;

const COLUMNS: &str = "e.id, space.tenant_id, space.environment, stream.application_id, stream.key_id,
    source.source_id, stream.trust_level, e.source_event_id, e.event_type, e.entity_type, e.entity_id, e.data,
    e.received_at";
const STAMPS: &str = "JOIN event_spaces AS space ON space.id = e.space
    JOIN event_sources AS source ON source.id = e.source
    JOIN event_streams AS stream ON stream.id = e.stream";

/// Those that are looked at: of a space by what they happened at, or of an entity.
const OF_SPACE: &str = "FROM events WHERE space = $1 AND id < $2 AND id >= $3 ORDER BY id DESC";
const OF_ENTITY: &str = "FROM events WHERE entity = $1 AND id < $2 AND id >= $3 ORDER BY id DESC";

static OF_SPACE_PAGE: LazyLock<String> = LazyLock::new(|| page(OF_SPACE));
static OF_ENTITY_PAGE: LazyLock<String> = LazyLock::new(|| page(OF_ENTITY));
static OF_SPACE_END: LazyLock<String> = LazyLock::new(|| end(OF_SPACE));
static OF_ENTITY_END: LazyLock<String> = LazyLock::new(|| end(OF_ENTITY));
static ONE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM events AS e {STAMPS}
         WHERE e.id = $2 AND e.space IN (SELECT id FROM event_spaces WHERE tenant_id = $1)"
    )
});

fn end(looked_at: &str) -> String {
    format!("SELECT id {looked_at} LIMIT 1 OFFSET {}", unseen!("$4"))
}

fn page(looked_at: &str) -> String {
    format!(
        "SELECT {COLUMNS} FROM (SELECT * {looked_at} LIMIT {}) AS e {STAMPS}
         WHERE e.space = $6
            AND (source.source_id = $7 OR $7 IS NULL) AND (e.event_type = $8 OR $8 IS NULL)
            AND (e.entity_type = $9 OR $9 IS NULL) AND (e.entity_id = $10 OR $10 IS NULL)
         ORDER BY e.id DESC LIMIT $5",
        unseen!("$4")
    )
}

/// Which events a list shows; what is `None` does not matter.
#[derive(Debug, Clone)]
pub struct EventFilter {
    /// Sent with keys of this environment.
    pub environment: Environment,
    /// Sent by this source.
    pub source_id: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// About this entity.
    pub entity: Option<EntityName>,
    /// Happened then or later.
    pub from: Option<Timestamp>,
    /// Happened before.
    pub to: Option<Timestamp>,
}

/// A part of a list of events, the latest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events; fewer than asked for, when a filter passes over many.
    pub events: Vec<StoredEvent>,
    /// Where to read on; the list ends where there is nothing.
    pub next: Option<EventId>,
}

/// A list to read.
pub(crate) struct Asked {
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: EventFilter,
    pub(crate) after: Option<EventId>,
    pub(crate) limit: u32,
}

impl Store {
    /// A page of the events of an environment of a tenant, the latest first: `limit` of them at most, and 1,000.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn events(
        &self,
        tenant_id: TenantId,
        filter: EventFilter,
        after: Option<EventId>,
        limit: u32,
    ) -> Result<EventPage, StoreError> {
        let asked = Asked { tenant_id, filter, after, limit: limit.min(MOST) };
        self.read(asked, |asked, tx| Box::pin(read_page(asked, tx))).await
    }

    /// One event of a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn event(&self, tenant_id: TenantId, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        let sought = [Value::text(tenant_id), rows::id(id)];
        self.read(sought, |sought, tx| Box::pin(read_one(sought, tx))).await
    }
}

async fn read_one(sought: &[Value; 2], tx: &mut Tx<'_>) -> Read<Option<StoredEvent>> {
    tx.query_opt(&ONE, sought).await?.map(read).transpose()
}

async fn read_page(asked: &Asked, tx: &mut Tx<'_>) -> Read<EventPage> {
    let Some(space) = spaces::find(asked.tenant_id, asked.filter.environment, tx).await? else {
        return Ok(EventPage { events: Vec::new(), next: None });
    };
    // PostgreSQL may keep events between two statements. Where the look ends is known first, so that they are looked at as
    // well, rather than move that place and have others looked at twice.
    let (end, bounds) = asked.end(space);
    let last = tx.query_opt(end, &bounds).await?.map(|mut row| row.bits("id")).transpose()?;
    let (page, values) = asked.page(space, last);
    let found = tx.query(page, &values).await?;
    let mut events = found.into_iter().map(read).collect::<Read<Vec<_>>>()?;
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    if events.len() > limit {
        events.truncate(limit);
        let next = events.last().map(|event| event.id);
        return Ok(EventPage { events, next });
    }
    // Where there are fewer than can be looked at, nothing follows.
    Ok(EventPage { events, next: last.map(EventId::from_u128) })
}

impl Asked {
    /// Where the look ends, if so many events follow, and its values.
    pub(crate) fn end(&self, space: i64) -> (&'static str, [Value; 4]) {
        let EventFilter { source_id, event_type, entity, .. } = &self.filter;
        let scanned = if source_id.is_some() || event_type.is_some() { SCAN } else { self.limit + 1 };
        let [below, from] = self.bounds();
        let sql = if entity.is_some() { &OF_ENTITY_END } else { &OF_SPACE_END };
        (sql, [self.place(space), below, from, i64::from(scanned - 1).into()])
    }

    /// The events down to where the look ends, and its values.
    pub(crate) fn page(&self, space: i64, last: Option<u128>) -> (&'static str, [Value; 10]) {
        let EventFilter { source_id, event_type, entity, .. } = &self.filter;
        let [below, from] = self.bounds();
        let sql = if entity.is_some() { &OF_ENTITY_PAGE } else { &OF_SPACE_PAGE };
        let values = [
            self.place(space),
            below,
            last.map_or(from, Value::bits),
            ALL.into(),
            i64::from(self.limit + 1).into(),
            Value::Int(space),
            Value::opt_text(source_id.as_ref()),
            Value::opt_text(event_type.as_ref()),
            Value::opt_text(entity.as_ref().map(|name| &name.entity_type)),
            Value::opt_text(entity.as_ref().map(|name| &name.entity_id)),
        ];
        (sql, values)
    }

    /// By what the events that are looked at are found.
    fn place(&self, space: i64) -> Value {
        self.filter.entity.as_ref().map_or(Value::Int(space), |name| rows::number_of(space, name))
    }

    /// Ids are below the first and not below the second.
    fn bounds(&self) -> [Value; 2] {
        let first_of = |moment| EventId::from_parts(moment, 0).as_u128();
        let to = self.filter.to.map_or(u128::MAX, first_of);
        let after = self.after.map_or(u128::MAX, EventId::as_u128);
        [Value::bits(to.min(after)), Value::bits(self.filter.from.map_or(0, first_of))]
    }
}

fn read(mut row: Row) -> Read<StoredEvent> {
    Ok(StoredEvent {
        id: EventId::from_u128(row.bits("id")?),
        stamp: Stamp {
            tenant_id: row.parsed("tenant_id")?,
            environment: row.parsed("environment")?,
            application_id: row.parsed("application_id")?,
            key_id: row.parsed("key_id")?,
            source_id: row.text("source_id")?,
            trust_level: row.parsed("trust_level")?,
        },
        source_event_id: row.opt_text("source_event_id")?,
        event_type: row.text("event_type")?,
        entity: EntityName { entity_type: row.text("entity_type")?, entity_id: row.text("entity_id")? },
        data: row.json_text("data")?,
        received_at: row.time("received_at")?,
    })
}
