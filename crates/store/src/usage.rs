//! How often keys were allowed and refused, minute by minute.

use std::sync::LazyLock;

use keystile_core::usage::{Span, Sum};
use keystile_core::{KeyId, KeyUsage, TenantId, Timestamp};

use crate::chunked::{Chunked, places};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, events, tenant_usage};

static ADD: LazyLock<Adding> =
    LazyLock::new(|| Adding::to("key_usage", &["tenant_id", "key_id", "minute", "code", "latency"]));

const BEGIN: &str = "INSERT INTO usage_batches (id, added_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const SERIES: &str = "SELECT minute - minute % CAST($5 AS BIGINT) AS starts, code, latency,
        CAST(SUM(counted) AS BIGINT) AS counted
    FROM key_usage WHERE tenant_id = $1 AND key_id = $2 AND minute >= $3 AND minute < $4 GROUP BY 1, 2, 3";
const SWEEP: &str = "DELETE FROM key_usage WHERE (tenant_id, key_id, minute, code, latency) IN
    (SELECT tenant_id, key_id, minute, code, latency FROM key_usage WHERE minute < $1 ORDER BY minute LIMIT 1000)";
const SWEEP_BATCHES: &str = "DELETE FROM usage_batches WHERE id IN
    (SELECT id FROM usage_batches WHERE added_at < $1 ORDER BY added_at LIMIT 1000)";

impl Store {
    /// Adds to what was counted of keys, and of their tenants. A batch that was added already, or is being added, is not added
    /// again: its `id` is remembered until it is swept. No two counts are of the same key, minute, decision and latency.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn add_usage(&self, id: u128, counts: Vec<KeyUsage>, now: Timestamp) -> Result<(), StoreError> {
        let args = ([Value::bits(id), now.into()], counts);
        self.write_quietly(args, |(batch, counts), tx| Box::pin(add(batch, counts, tx))).await
    }

    /// What was counted of a key, step by step; steps without any count are left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn usage(
        &self,
        tenant_id: TenantId,
        key_id: KeyId,
        span: Span,
    ) -> Result<Vec<Sum>, StoreError> {
        let (first, end) = span.minutes();
        let args = [
            Value::text(tenant_id),
            Value::text(key_id),
            first.into(),
            end.into(),
            span.step().minutes().into(),
        ];
        self.read(args, |args, tx| Box::pin(read_series(args, tx))).await
    }

    /// Removes some of the counts of keys and of events that are older than `usage`, and of the batches that were added before `batches`; tells
    /// how many, so that it can be called again until there are none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_usage(&self, usage: Timestamp, batches: Timestamp) -> Result<u64, StoreError> {
        let minute = usage.as_millis().div_euclid(60_000);
        self.write_quietly([minute.into(), batches.into()], |args, tx| Box::pin(sweep(args, tx))).await
    }
}

async fn add(batch: &[Value; 2], counts: &[KeyUsage], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.execute(BEGIN, batch).await? == 0 {
        return Ok(());
    }
    ADD.add(counts.iter().map(values).collect(), tx).await?;
    tenant_usage::add(counts, tx).await
}

fn values(counted: &KeyUsage) -> Vec<Value> {
    vec![
        Value::text(counted.tenant_id),
        Value::text(counted.key_id),
        Value::Int(counted.minute.number().into()),
        Value::text(counted.code),
        Value::text(counted.latency),
        Value::count(Some(counted.count)),
    ]
}

async fn read_series(args: &[Value; 5], tx: &mut Tx<'_>) -> Result<Vec<Sum>, StoreError> {
    tx.query(SERIES, args).await?.into_iter().map(read_sum).collect()
}

pub(crate) fn read_sum(mut row: Row) -> Read<Sum> {
    Ok(Sum {
        minute: row.int("starts")?,
        code: row.parsed("code")?,
        latency: row.parsed("latency")?,
        count: u64::try_from(row.int("counted")?).unwrap_or(0),
    })
}

async fn sweep(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let usage = tx.execute(SWEEP, &args[..1]).await? + tenant_usage::sweep(&args[..1], tx).await?;
    let counts = usage + events::sweep_counts(&args[..1], tx).await?;
    Ok(counts + tx.execute(SWEEP_BATCHES, &args[1..]).await?)
}

/// How rows of counts are added to a table.
pub(crate) struct Adding(Chunked);

impl Adding {
    /// Rows of `table` have a count for each combination of what is in `columns`.
    pub(crate) fn to(table: &str, columns: &[&str]) -> Self {
        Self(Chunked::new(|rows| adding(table, columns, rows)))
    }

    /// Adds rows, of which no two have the same place, in their order.
    pub(crate) async fn add(&self, rows: Vec<Vec<Value>>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.0.write(rows, tx).await.map(drop)
    }
}

fn adding(table: &str, columns: &[&str], rows: usize) -> String {
    let (place, rows) = (columns.join(", "), places(rows, columns.len() + 1));
    format!(
        "INSERT INTO {table} ({place}, counted) VALUES {rows}
         ON CONFLICT ({place}) DO UPDATE SET counted = {table}.counted + excluded.counted"
    )
}
