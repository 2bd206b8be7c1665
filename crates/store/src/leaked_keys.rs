//! Reports of leaks beside the keys that they are about, as people look at them.

use std::sync::LazyLock;

use keystile_core::{ApiKey, KeyId, LeakId, LeakReport, LeakState, TenantId, Timestamp};

use crate::leaks::{REPORT, read_report};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, record};

static REPORTED: LazyLock<String> = LazyLock::new(|| {
    let of_key = |column: &str| format!("api_keys.{column}");
    let key: Vec<_> = record::SELECTED.split(", ").map(of_key).collect();
    format!(
        "SELECT {REPORT}, CASE WHEN api_keys.digest = leak_reports.digest THEN 1 ELSE 0 END AS is_present, {}
         FROM leak_reports JOIN api_keys
            ON api_keys.tenant_id = leak_reports.tenant_id AND api_keys.id = leak_reports.key_id
         WHERE leak_reports.tenant_id = $1",
        key.join(", ")
    )
});
/// Of the newest thousand reports, so that it takes as long however many there are.
const LIVE: &str = "SELECT COUNT(DISTINCT reported.key_id) AS counted
    FROM (SELECT key_id, digest FROM leak_reports WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1000) AS reported
    JOIN api_keys ON api_keys.tenant_id = $1 AND api_keys.id = reported.key_id
        AND api_keys.digest = reported.digest
    WHERE api_keys.enabled = 1 AND api_keys.blocked_reason IS NULL AND api_keys.revoked_at IS NULL
        AND api_keys.deleted_at IS NULL AND (api_keys.expires_at IS NULL OR api_keys.expires_at > $2)";
static ONE: LazyLock<String> = LazyLock::new(|| format!("{} AND leak_reports.id = $2", *REPORTED));
static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!("{} AND leak_reports.id < $2 ORDER BY leak_reports.id DESC LIMIT $3", *REPORTED)
});
/// Spelled apart, as an index leads to the reports about one key.
static PAGE_OF_KEY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{} AND leak_reports.key_id = $4 AND leak_reports.id < $2 ORDER BY leak_reports.id DESC LIMIT $3",
        *REPORTED
    )
});

/// A report that a key leaked, and the key as it is now; a deleted one, too.
#[derive(Debug, Clone, PartialEq)]
pub struct LeakedKey {
    /// The report.
    pub report: LeakReport,
    /// The key.
    pub key: ApiKey,
    /// Whether the secret that leaked is still the key's.
    pub is_present: bool,
}

impl LeakedKey {
    /// What the secret that leaked opens at `now`.
    pub fn state(&self, now: Timestamp) -> LeakState {
        if self.is_present { LeakState::of(&self.key, now) } else { LeakState::Replaced }
    }
}

impl Store {
    /// A page of the tenant's reports with their keys, newest first; only those of one key if it is named.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn leaked_keys(
        &self,
        tenant_id: TenantId,
        key_id: Option<KeyId>,
        page: Page<LeakId>,
    ) -> Result<Vec<LeakedKey>, StoreError> {
        let mut args = vec![Value::text(tenant_id), page.below(), page.limit()];
        args.extend(key_id.map(Value::text));
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }

    /// How many of the tenant's keys work at `now` with a secret that was reported as leaked, by its last thousand reports.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn live_leaks(&self, tenant_id: TenantId, now: Timestamp) -> Result<u64, StoreError> {
        let args = [Value::text(tenant_id), now.into()];
        self.read(args, |args, tx| Box::pin(count_live(args, tx))).await
    }

    /// One report of the tenant with its key.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn leaked_key(&self, tenant_id: TenantId, id: LeakId) -> Result<Option<LeakedKey>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(args, tx))).await
    }
}

async fn read_page(args: &[Value], tx: &mut Tx<'_>) -> Result<Vec<LeakedKey>, StoreError> {
    let sql = if args.len() > 3 { &*PAGE_OF_KEY } else { &*PAGE };
    tx.query(sql, args).await?.into_iter().map(read).collect()
}

async fn count_live(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let counted = tx.query_opt(LIVE, args).await?.map(|mut row| row.opt_count("counted")).transpose()?;
    Ok(counted.flatten().unwrap_or(0))
}

async fn read_one(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<LeakedKey>, StoreError> {
    tx.query_opt(&ONE, args).await?.map(read).transpose()
}

fn read(mut row: Row) -> Read<LeakedKey> {
    let report = read_report(&mut row)?;
    let is_present = row.truth("is_present")?;
    Ok(LeakedKey { report, key: record::read(row)?, is_present })
}
