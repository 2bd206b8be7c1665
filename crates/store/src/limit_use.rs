//! What is used of limits, kept over restarts.

use std::sync::LazyLock;

use keystile_core::Timestamp;
use keystile_core::rate::UsedLimit;
use serde_json::json;

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// How many owners one statement writes. A smaller rest is written one by one.
const MANY: usize = 64;

static ONE_ROW: LazyLock<String> = LazyLock::new(|| statement(1));
static MANY_ROWS: LazyLock<String> = LazyLock::new(|| statement(MANY));

const PAGE: &str = "SELECT owner, used, at, spent_at FROM limit_use WHERE owner > $1 AND spent_at > $2
    ORDER BY owner LIMIT $3";
const SWEEP: &str = "DELETE FROM limit_use WHERE owner IN
    (SELECT owner FROM limit_use WHERE spent_at <= $1 LIMIT $2)";

/// What an owner of limits has used of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// The id of the first key of a lineage, of a customer, an application or a tenant.
    pub owner: String,
    /// Each limit and how much of it is used.
    pub used: Vec<UsedLimit>,
    /// When that was so.
    pub at: Timestamp,
    /// When nothing of it is used any more.
    pub spent_at: Timestamp,
}

impl Store {
    /// Keeps what each of these owners has used, in place of what was kept of it before. No owner may appear twice.
    ///
    /// # Errors
    /// When the database is unavailable; nothing was kept then.
    pub async fn keep_limit_use(&self, uses: Vec<LimitUse>) -> Result<(), StoreError> {
        self.write_quietly(uses, |uses, tx| Box::pin(keep(uses, tx))).await
    }

    /// What is kept and not spent at `now`, of owners after `after` in their order, at most `limit` of them.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn limit_use(
        &self,
        after: &str,
        now: Timestamp,
        limit: u16,
    ) -> Result<Vec<LimitUse>, StoreError> {
        let args = [Value::text(after), now.into(), i64::from(limit).into()];
        self.read(args, |args, tx| Box::pin(page(args, tx))).await
    }

    /// Deletes up to `limit` of what is spent at `now`; tells how many.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_limit_use(&self, now: Timestamp, limit: u16) -> Result<u64, StoreError> {
        let args = [now.into(), i64::from(limit).into()];
        self.write_quietly(args, |args, tx| Box::pin(sweep(args, tx))).await
    }
}

async fn keep(uses: &[LimitUse], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for chunk in uses.chunks(MANY) {
        if chunk.len() == MANY {
            let values: Vec<Value> = chunk.iter().flat_map(values).collect();
            tx.execute(&MANY_ROWS, &values).await?;
        } else {
            for each in chunk {
                tx.execute(&ONE_ROW, &values(each)).await?;
            }
        }
    }
    Ok(())
}

async fn page(args: &[Value; 3], tx: &mut Tx<'_>) -> Result<Vec<LimitUse>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(read).collect()
}

async fn sweep(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, args).await
}

fn values(of: &LimitUse) -> [Value; 4] {
    [Value::text(&of.owner), Value::json(&json!(of.used)), of.at.into(), of.spent_at.into()]
}

fn read(mut row: Row) -> Read<LimitUse> {
    Ok(LimitUse {
        owner: row.text("owner")?,
        used: row.json("used")?,
        at: row.time("at")?,
        spent_at: row.time("spent_at")?,
    })
}

fn statement(rows: usize) -> String {
    let row = |index: usize| {
        let first = 4 * index + 1;
        format!("(${first}, ${}, ${}, ${})", first + 1, first + 2, first + 3)
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!(
        "INSERT INTO limit_use (owner, used, at, spent_at) VALUES {}
         ON CONFLICT (owner) DO UPDATE SET used = excluded.used, at = excluded.at, spent_at = excluded.spent_at",
        rows.join(", ")
    )
}
