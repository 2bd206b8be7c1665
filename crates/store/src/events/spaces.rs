//! The numbers that stand for what many events have in common.

use std::collections::{BTreeMap, HashMap};

use keystile_core::{Environment, Overwriting, Stamp, TenantId, TenantSettings};

use crate::StoreError;
use crate::row::Read;
use crate::tx::{Statement, Tx};
use crate::value::Value;

const SPACE: &str = "SELECT id FROM event_spaces WHERE tenant_id = $1 AND environment = $2";
const NEW_SPACE: &str = "INSERT INTO event_spaces (id, tenant_id, environment)
    SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS TEXT), CAST($2 AS TEXT) FROM event_spaces WHERE TRUE
    ON CONFLICT DO NOTHING";
const SOURCE: &str = "SELECT id FROM event_sources WHERE space = $1 AND source_id = $2";
const NEW_SOURCE: &str = "INSERT INTO event_sources (id, space, source_id)
    SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS BIGINT), CAST($2 AS TEXT) FROM event_sources WHERE TRUE
    ON CONFLICT DO NOTHING";
const STREAM: &str = "SELECT id FROM event_streams
    WHERE source = $1 AND key_id = $2 AND application_id = $3 AND trust_level = $4";
const NEW_STREAM: &str = "INSERT INTO event_streams (id, source, key_id, application_id, trust_level)
    SELECT COALESCE(MAX(id), 0) + 1, CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT)
    FROM event_streams WHERE TRUE
    ON CONFLICT DO NOTHING";
const KNOWN: &str = "SELECT space.id, source.id, stream.id FROM event_spaces AS space
    JOIN event_sources AS source ON source.space = space.id
    JOIN event_streams AS stream ON stream.source = source.id
    WHERE space.tenant_id = $1 AND space.environment = $2 AND source.source_id = $3
        AND stream.key_id = $4 AND stream.application_id = $5 AND stream.trust_level = $6";
const LOCK: &str = "SELECT id FROM event_spaces WHERE id = $1 {for_update}";
const SETTINGS: &str = "SELECT event_days, less_trusted_overwrites FROM tenants WHERE id = $1";

/// How often a number is looked for that others may be giving at the same moment.
const ATTEMPTS: usize = 8;

/// The numbers of what is stamped on an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    pub(super) space: i64,
    pub(super) source: i64,
    pub(super) stream: i64,
}

/// What holds in a space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) days: u16,
    pub(super) overwriting: Overwriting,
}

/// The number of a space, if events were ever sent there.
pub(super) async fn find(
    tenant_id: TenantId,
    environment: Environment,
    tx: &mut Tx<'_>,
) -> Read<Option<i64>> {
    let sought = [Value::text(tenant_id), Value::text(environment)];
    tx.query_opt(SPACE, &sought).await?.map(|mut row| row.int("id")).transpose()
}

/// The numbers of each stamp, and what holds in their spaces, which are locked from now on.
pub(super) async fn enter<'s>(
    stamps: impl Iterator<Item = &'s Stamp>,
    tx: &mut Tx<'_>,
) -> Read<(HashMap<&'s Stamp, Numbers>, BTreeMap<i64, Rules>)> {
    let numbers = number(stamps, tx).await?;
    let tenants = numbers.iter().map(|(stamp, numbers)| (numbers.space, stamp.tenant_id)).collect();
    let rules = lock(&tenants, tx).await?;
    Ok((numbers, rules))
}

/// The numbers of each stamp, which are given now if there are none.
async fn number<'s>(
    stamps: impl Iterator<Item = &'s Stamp>,
    tx: &mut Tx<'_>,
) -> Read<HashMap<&'s Stamp, Numbers>> {
    let mut stamps: Vec<_> = stamps.collect();
    stamps.sort_unstable_by_key(|stamp| (stamp.tenant_id, stamp.environment, stamp.key_id));
    stamps.dedup();
    let sought: Vec<[Value; 6]> = stamps.iter().map(|stamp| values(stamp)).collect();
    let statements: Vec<Statement<'_>> = sought.iter().map(|values| (KNOWN, values.as_slice())).collect();
    let found = tx.pipeline(&statements).await?;
    let mut numbers = HashMap::with_capacity(stamps.len());
    for (stamp, rows) in stamps.into_iter().zip(found) {
        let given = match rows.into_iter().next() {
            Some(mut row) => {
                Numbers { space: row.int("space")?, source: row.int("source")?, stream: row.int("stream")? }
            }
            None => give(stamp, tx).await?,
        };
        numbers.insert(stamp, given);
    }
    Ok(numbers)
}

/// Locks the spaces, in the order of their numbers, and reads what holds there. Nobody else hears events there until the
/// transaction ends, so that nothing that is said of an entity is lost.
async fn lock(spaces: &BTreeMap<i64, TenantId>, tx: &mut Tx<'_>) -> Read<BTreeMap<i64, Rules>> {
    let sought: Vec<_> = spaces.iter().map(|(id, tenant)| [Value::Int(*id), Value::text(tenant)]).collect();
    let lock = sought.iter().map(|values| (LOCK, &values[..1]));
    let read = sought.iter().map(|values| (SETTINGS, &values[1..]));
    let rows = tx.pipeline(&lock.chain(read).collect::<Vec<_>>()).await?.split_off(spaces.len());
    let mut rules = BTreeMap::new();
    for (id, rows) in spaces.keys().zip(rows) {
        let row = rows.into_iter().next();
        let mut row = row.ok_or_else(|| StoreError::Corrupt("events belong to no tenant".to_owned()))?;
        let days = row.small("event_days")?;
        let less_trusted_overwrites = row.truth("less_trusted_overwrites")?;
        let overwriting =
            TenantSettings { less_trusted_overwrites, ..TenantSettings::default() }.overwriting();
        rules.insert(*id, Rules { days, overwriting });
    }
    Ok(rules)
}

async fn give(stamp: &Stamp, tx: &mut Tx<'_>) -> Read<Numbers> {
    let [tenant_id, environment, source_id, key_id, application_id, trust_level] = values(stamp);
    let space = intern((SPACE, NEW_SPACE), &[tenant_id, environment], tx).await?;
    let source = intern((SOURCE, NEW_SOURCE), &[Value::Int(space), source_id], tx).await?;
    let stream = [Value::Int(source), key_id, application_id, trust_level];
    Ok(Numbers { space, source, stream: intern((STREAM, NEW_STREAM), &stream, tx).await? })
}

async fn intern((find, make): (&str, &str), values: &[Value], tx: &mut Tx<'_>) -> Read<i64> {
    for _ in 0..ATTEMPTS {
        if let Some(mut row) = tx.query_opt(find, values).await? {
            return row.int("id");
        }
        tx.execute(make, values).await?;
    }
    let found = tx.query_opt(find, values).await?;
    found.ok_or_else(|| StoreError::unavailable("others take every number"))?.int("id")
}

fn values(stamp: &Stamp) -> [Value; 6] {
    [
        Value::text(stamp.tenant_id),
        Value::text(stamp.environment),
        Value::text(&stamp.source_id),
        Value::text(stamp.key_id),
        Value::text(stamp.application_id),
        Value::text(stamp.trust_level),
    ]
}
