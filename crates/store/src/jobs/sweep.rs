//! Results that were kept for long enough are removed, and later the jobs themselves.

use keystile_core::{JobId, TenantId, Timestamp};

use super::row;
use crate::tx::Tx;
use crate::{Store, StoreError};

const OVER: &str = "SELECT tenant_id, id FROM jobs WHERE kept_until <= $1 ORDER BY kept_until LIMIT 1
    {for_update} {skip_locked}";
const CHUNKS: &str = "DELETE FROM job_chunks WHERE tenant_id = $1 AND job_id = $2 AND number IN
    (SELECT number FROM job_chunks WHERE tenant_id = $1 AND job_id = $2 ORDER BY number LIMIT 100)";
const INPUTS: &str = "DELETE FROM job_inputs WHERE tenant_id = $1 AND job_id = $2";
const EMPTIED: &str = "UPDATE jobs SET result_bytes = 0, kept_until = NULL WHERE tenant_id = $1 AND id = $2";
const OLD: &str = "DELETE FROM jobs WHERE kept_until IS NULL AND (tenant_id, id) IN
    (SELECT tenant_id, id FROM jobs WHERE ended_at < $1 AND kept_until IS NULL ORDER BY ended_at LIMIT 100)";

impl Store {
    /// Removes a part of what jobs have come to that is kept no longer, or some jobs that were over before `old`. Tells whether
    /// there was anything.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn sweep_jobs(&self, now: Timestamp, old: Timestamp) -> Result<bool, StoreError> {
        self.write_quietly((now, old), |(now, old), tx| Box::pin(sweep(*now, *old, tx))).await
    }
}

async fn sweep(now: Timestamp, old: Timestamp, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let Some(mut found) = tx.query_opt(OVER, &[now.into()]).await? else {
        return Ok(tx.execute(OLD, &[old.into()]).await? > 0);
    };
    let tenant_id: TenantId = found.parsed("tenant_id")?;
    let id: JobId = found.parsed("id")?;
    let which = row::which(tenant_id, id);
    if tx.execute(CHUNKS, &which).await? == 0 {
        tx.execute(INPUTS, &which).await?;
        tx.execute(EMPTIED, &which).await?;
    }
    Ok(true)
}
