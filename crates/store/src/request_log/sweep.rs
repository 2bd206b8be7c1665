//! Requests that were kept for long enough are removed.

use std::time::Duration;

use keystile_core::{LogId, Minute, TenantId, Timestamp};

use super::rows::bits;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const NEXT: &str = "SELECT id, log_days FROM tenants WHERE id > $1 ORDER BY id LIMIT 1";
const THIS: &str = "SELECT id, log_days FROM tenants WHERE id = $1";
const REQUESTS: &str = "DELETE FROM requests WHERE tenant_id = $1 AND id IN
    (SELECT id FROM requests WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT 1000)";
const GAPS: &str = "DELETE FROM request_gaps WHERE tenant_id = $1 AND minute < $2";

/// How far sweeping has come; begins with the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogSwept {
    /// Nothing was looked at.
    #[default]
    Nothing,
    /// There may be more of this tenant.
    PartOf(TenantId),
    /// Of the tenants up to this one all requests are young.
    UpTo(TenantId),
}

impl Store {
    /// Removes up to 1,000 requests that are older than their tenant keeps them, of one tenant. Tells where to go on; nothing
    /// when all was looked at.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_requests(
        &self,
        from: LogSwept,
        now: Timestamp,
    ) -> Result<Option<LogSwept>, StoreError> {
        self.write_quietly((from, now), |(from, now), tx| Box::pin(sweep(*from, *now, tx))).await
    }
}

async fn sweep(from: LogSwept, now: Timestamp, tx: &mut Tx<'_>) -> Result<Option<LogSwept>, StoreError> {
    let (sql, place) = match from {
        LogSwept::Nothing => (NEXT, Value::Text(String::new())),
        LogSwept::PartOf(tenant_id) => (THIS, Value::text(tenant_id)),
        LogSwept::UpTo(tenant_id) => (NEXT, Value::text(tenant_id)),
    };
    let Some(mut row) = tx.query_opt(sql, &[place]).await? else { return Ok(None) };
    let (tenant_id, days): (TenantId, _) = (row.parsed("id")?, row.small("log_days")?);
    let end = now.minus(DAY * u32::from(days));
    let tenant = bits(tenant_id.as_u128());
    let old = [tenant.clone(), bits(LogId::from_parts(end, 0).as_u128())];
    if tx.execute(REQUESTS, &old).await? > 0 {
        return Ok(Some(LogSwept::PartOf(tenant_id)));
    }
    let minute = Value::Int(i64::from(Minute::of(end).number()));
    tx.execute(GAPS, &[tenant, minute]).await?;
    Ok(Some(LogSwept::UpTo(tenant_id)))
}
