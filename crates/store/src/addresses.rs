//! From where keys were used lately, written together with their last uses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use keystile_core::key::KeyAddress;
use keystile_core::{KeyId, TenantId, Timestamp};

use crate::chunked::{Chunked, places};
use crate::row::{Read, Row};
use crate::touch::Touch;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Most rows that one transaction sweeps, for others that write.
const SWEPT: usize = 1_000;
const DAY_MILLIS: i64 = 86_400_000;

static ADD: LazyLock<Chunked> = LazyLock::new(|| Chunked::new(addition));
static THIN: LazyLock<Chunked> = LazyLock::new(|| Chunked::new(thinning));

const OF_KEY: &str = "SELECT ip, first_seen_at, last_seen_at FROM key_addresses
    WHERE tenant_id = $1 AND key_id = $2 AND last_seen_at >= $3 ORDER BY last_seen_at DESC, ip LIMIT $4";
const SWEEP: &str = "DELETE FROM key_addresses WHERE (tenant_id, key_id, ip) IN
    (SELECT tenant_id, key_id, ip FROM key_addresses WHERE last_seen_day < $1 ORDER BY last_seen_day LIMIT $2)";

/// Where a key was seen, in one batch of uses.
pub(crate) struct Seen {
    tenant_id: TenantId,
    key_id: KeyId,
    address: KeyAddress,
}

impl Store {
    /// From where a key was used since a moment, the last seen first, then by the text of the address: at most
    /// [`KeyAddress::MAX`] addresses, as [`Self::touch_keys`] has written them.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn key_addresses(
        &self,
        tenant_id: TenantId,
        key_id: KeyId,
        since: Timestamp,
    ) -> Result<Vec<KeyAddress>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(key_id), since.into(), count(KeyAddress::MAX)];
        self.read(args, |args, tx| Box::pin(of_key(args, tx))).await
    }

    /// Removes some of the addresses that were last seen on a day of UTC before that of `before`; tells how many, so that it can be
    /// called again until there are none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_addresses(&self, before: Timestamp) -> Result<u64, StoreError> {
        let args = [before.as_millis().div_euclid(DAY_MILLIS).into(), count(SWEPT)];
        self.write_quietly(args, |args, tx| Box::pin(sweep(args, tx))).await
    }
}

/// Each address of each key once, in the order of both: two batches that meet lock in the same order.
pub(crate) fn seen(touches: &[Touch]) -> Vec<Seen> {
    let mut seen = BTreeMap::<(TenantId, KeyId, IpAddr), KeyAddress>::new();
    for touch in touches {
        let Some(ip) = touch.ip.map(|ip| ip.to_canonical()) else { continue };
        let new = KeyAddress { ip, first_seen_at: touch.at, last_seen_at: touch.at };
        let known = seen.entry((touch.tenant_id, touch.key_id, ip)).or_insert(new);
        known.first_seen_at = known.first_seen_at.min(touch.at);
        known.last_seen_at = known.last_seen_at.max(touch.at);
    }
    let of_key = |((tenant_id, key_id, _), address)| Seen { tenant_id, key_id, address };
    seen.into_iter().map(of_key).collect()
}

/// Writes them down. Of keys that were seen at a new address those go that were not seen for the longest time, if there are too
/// many.
pub(crate) async fn add(seen: &[Seen], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let Some(earliest) = seen.iter().map(|seen| seen.address.first_seen_at).min() else { return Ok(()) };
    let rows: Vec<_> = seen.iter().map(values).collect();
    let mut grown = BTreeSet::new();
    for mut row in ADD.run(rows, tx).await? {
        let key = (row.text("tenant_id")?, row.text("key_id")?);
        // What was there before was first seen before this batch, nearly always; looking without need does no harm.
        if row.time("first_seen_at")? >= earliest {
            grown.insert(key);
        }
    }
    let grown: Vec<_> =
        grown.into_iter().map(|(tenant, key)| vec![Value::Text(tenant), Value::Text(key)]).collect();
    THIN.run(grown, tx).await.map(drop)
}

async fn of_key(args: &[Value; 4], tx: &mut Tx<'_>) -> Result<Vec<KeyAddress>, StoreError> {
    tx.query(OF_KEY, args).await?.into_iter().map(read).collect()
}

async fn sweep(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, args).await
}

fn count(count: usize) -> Value {
    Value::count(u64::try_from(count).ok())
}

fn values(seen: &Seen) -> Vec<Value> {
    let KeyAddress { ip, first_seen_at, last_seen_at } = seen.address;
    vec![
        Value::text(seen.tenant_id),
        Value::text(seen.key_id),
        Value::text(ip),
        first_seen_at.into(),
        last_seen_at.into(),
    ]
}

fn read(mut row: Row) -> Read<KeyAddress> {
    Ok(KeyAddress {
        ip: row.parsed("ip")?,
        first_seen_at: row.time("first_seen_at")?,
        last_seen_at: row.time("last_seen_at")?,
    })
}

/// Returns rows that are new, or were seen again later than before.
fn addition(rows: usize) -> String {
    format!(
        "INSERT INTO key_addresses (tenant_id, key_id, ip, first_seen_at, last_seen_at) VALUES {}
         ON CONFLICT (tenant_id, key_id, ip) DO UPDATE SET last_seen_at = excluded.last_seen_at
         WHERE key_addresses.last_seen_at < excluded.last_seen_at
         RETURNING tenant_id, key_id, first_seen_at",
        places(rows, 5)
    )
}

/// Leaves each of some keys the addresses at which it was seen last.
fn thinning(keys: usize) -> String {
    format!(
        "DELETE FROM key_addresses WHERE (tenant_id, key_id, ip) IN
         (SELECT tenant_id, key_id, ip FROM
             (SELECT tenant_id, key_id, ip, ROW_NUMBER() OVER
                 (PARTITION BY tenant_id, key_id ORDER BY last_seen_at DESC, ip) AS place
              FROM key_addresses WHERE (tenant_id, key_id) IN (VALUES {})) AS ranked
          WHERE place > {})",
        places(keys, 2),
        KeyAddress::MAX
    )
}
