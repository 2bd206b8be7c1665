//! Requests that were kept for long enough are removed.

use std::time::Duration;

use keystile_core::{LogId, Minute, TenantId, Timestamp};

use super::breaks;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Most tenants that one step looks at until it finds something old: a few milliseconds, too.
const TENANTS: u32 = 20;

const NEXT: &str = "SELECT id, log_days FROM tenants WHERE id > $1 ORDER BY id LIMIT 1";
const THIS: &str = "SELECT id, log_days FROM tenants WHERE id = $1";
/// Where a step ends that removes as many as one may, which is 1,000: it keeps others that write waiting for some milliseconds only.
pub(crate) const END: &str =
    "SELECT id FROM requests WHERE tenant_id = $1 AND id < $2 ORDER BY id LIMIT 1 OFFSET 1000";
pub(crate) const REQUESTS: &str = "DELETE FROM requests WHERE tenant_id = $1 AND id < $2";
const GAPS: &str = "DELETE FROM request_gaps WHERE tenant_id = $1 AND minute < $2";

/// How far sweeping has come; begins with the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogSwept {
    /// Nothing was looked at.
    #[default]
    Nothing,
    /// There is more of this tenant.
    PartOf(TenantId),
    /// Of the tenants up to this one all requests are young.
    UpTo(TenantId),
}

/// What came of one tenant.
struct Step {
    next: LogSwept,
    removed: u64,
}

impl LogSwept {
    /// Whether the last step has removed as many requests as one may, so that there are most likely more.
    pub const fn was_full(self) -> bool {
        match self {
            Self::PartOf(_) => true,
            Self::Nothing | Self::UpTo(_) => false,
        }
    }
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
    let mut next = from;
    if from == LogSwept::Nothing {
        breaks::sweep(now, tx).await?;
    }
    for _ in 0..TENANTS {
        let Some(step) = sweep_tenant(next, now, tx).await? else { return Ok(None) };
        next = step.next;
        if step.removed > 0 {
            break;
        }
    }
    Ok(Some(next))
}

/// The next tenant, or nothing behind the last.
async fn sweep_tenant(from: LogSwept, now: Timestamp, tx: &mut Tx<'_>) -> Result<Option<Step>, StoreError> {
    let (sql, place) = match from {
        LogSwept::Nothing => (NEXT, Value::Text(String::new())),
        LogSwept::PartOf(tenant_id) => (THIS, Value::text(tenant_id)),
        LogSwept::UpTo(tenant_id) => (NEXT, Value::text(tenant_id)),
    };
    let Some(mut row) = tx.query_opt(sql, &[place]).await? else { return Ok(None) };
    let (tenant_id, days): (TenantId, _) = (row.parsed("id")?, row.small("log_days")?);
    let end = now.minus(DAY * u32::from(days));
    let mut which = [tenant_id.as_u128(), LogId::from_parts(end, 0).as_u128()].map(Value::bits);
    let last = tx.query_opt(END, &which).await?.map(|mut row| row.bits("id")).transpose()?;
    if let Some(last) = last {
        which[1] = Value::bits(last);
    }
    let removed = tx.execute(REQUESTS, &which).await?;
    if last.is_some() {
        return Ok(Some(Step { next: LogSwept::PartOf(tenant_id), removed }));
    }
    let [tenant, _] = which;
    let minute = Value::Int(i64::from(Minute::of(end).number()));
    tx.execute(GAPS, &[tenant, minute]).await?;
    Ok(Some(Step { next: LogSwept::UpTo(tenant_id), removed }))
}
