//! How many requests are not in the log that should be.

use std::sync::LazyLock;

use keystile_core::{Minute, MissingRequests, TenantId, Timestamp};

use crate::chunked::{Chunked, places};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

static ADD: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "INSERT INTO request_gaps (tenant_id, minute, missing) VALUES {}
             ON CONFLICT (tenant_id, minute) DO UPDATE SET missing = request_gaps.missing + excluded.missing",
            places(size, 3)
        )
    })
});
/// Each minute at most 2,000 times 64 thousand, of two years at most: no sum overflows.
const MISSING: &str = "SELECT CAST(COALESCE(SUM(missing), 0) AS BIGINT) AS missing FROM request_gaps
    WHERE tenant_id = $1 AND minute >= $2 AND minute <= $3";

/// Most minutes with gaps that are told at a time: a third of a day without any room.
const TOLD: &str = "SELECT minute, missing FROM request_gaps
    WHERE tenant_id = $1 AND minute >= $2 AND minute <= $3 ORDER BY minute DESC LIMIT 500";

impl Store {
    /// Notes that requests are missing, no two of them of the same tenant and minute, beside those that were noted before.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn add_missing_requests(&self, missing: Vec<MissingRequests>) -> Result<(), StoreError> {
        self.write_quietly(missing, |missing, tx| Box::pin(add(missing, tx))).await
    }

    /// How many requests are missing in the minutes from that of `from` to that of `to`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn missing_requests(
        &self,
        tenant_id: TenantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<u64, StoreError> {
        let sought = between(tenant_id, from, to);
        self.read(sought, |sought, tx| Box::pin(read(sought, tx))).await
    }

    /// The minutes from that of `from` to that of `to` in which requests are missing, the latest first; 500 of them at most.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn request_gaps(
        &self,
        tenant_id: TenantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<MissingRequests>, StoreError> {
        let asked = (tenant_id, between(tenant_id, from, to));
        self.read(asked, |asked, tx| Box::pin(read_each(asked, tx))).await
    }
}

/// A tenant, and the first and the last minute.
fn between(tenant_id: TenantId, from: Timestamp, to: Timestamp) -> [Value; 3] {
    let minute = |moment| Value::Int(i64::from(Minute::of(moment).number()));
    [Value::bits(tenant_id.as_u128()), minute(from), minute(to)]
}

async fn read_each(
    (tenant_id, sought): &(TenantId, [Value; 3]),
    tx: &mut Tx<'_>,
) -> Read<Vec<MissingRequests>> {
    let gap = |mut row: Row| -> Read<MissingRequests> {
        let minute = u32::try_from(row.int("minute")?)
            .map_err(|_| StoreError::Corrupt("column `minute` is out of range".to_owned()))?;
        let count = row.opt_count("missing")?.unwrap_or(0);
        Ok(MissingRequests { tenant_id: *tenant_id, minute: Minute::new(minute), count })
    };
    tx.query(TOLD, sought).await?.into_iter().map(gap).collect()
}

async fn add(missing: &[MissingRequests], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let row = |missing: &MissingRequests| {
        let minute = Value::Int(i64::from(missing.minute.number()));
        vec![Value::bits(missing.tenant_id.as_u128()), minute, Value::count(Some(missing.count))]
    };
    let rows: Vec<_> = missing.iter().map(row).collect();
    ADD.write(rows, tx).await.map(drop)
}

async fn read(sought: &[Value; 3], tx: &mut Tx<'_>) -> Read<u64> {
    let row = tx.query_opt(MISSING, sought).await?;
    Ok(row.map(|mut row| row.opt_count("missing")).transpose()?.flatten().unwrap_or(0))
}
