//! Taking a job up, and laying it down again.

use std::sync::LazyLock;

use keystile_core::{Job, JobError, JobId, TenantId, Timestamp};

use super::row::{self, COLUMNS};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Of each tenant the first job that is not over: those behind it wait for it, whatever it waits for.
macro_rules! first {
    () => {
        "(tenant_id, id) IN (SELECT tenant_id, MIN(id) FROM jobs WHERE ended_at IS NULL GROUP BY tenant_id)"
    };
}

/// Such a job that is due and that nobody works on, of a tenant of which no other is worked on, and of those tenants the one
/// that was served longest ago: however many jobs one tenant makes, each has its turn.
pub(crate) const NEXT: &str = concat!(
    "SELECT tenant_id, id FROM jobs WHERE ended_at IS NULL AND due_at <= $1
        AND (leased_until IS NULL OR leased_until <= $1) AND ",
    first!(),
    " AND NOT EXISTS (SELECT 1 FROM jobs AS other
            WHERE other.tenant_id = jobs.tenant_id AND other.ended_at IS NULL AND other.leased_until > $1)
    ORDER BY (SELECT MAX(served_at) FROM jobs AS served WHERE served.tenant_id = jobs.tenant_id), id
    LIMIT 1 {for_update} {skip_locked}"
);
/// When the next one may be taken up.
pub(crate) const NEXT_AT: &str = concat!(
    "SELECT MIN(CASE WHEN leased_until > due_at THEN leased_until ELSE due_at END) AS next_at FROM jobs
    WHERE ended_at IS NULL AND ",
    first!()
);
static TAKE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE jobs SET state = CASE WHEN state = 'cancelling' THEN state ELSE 'running' END,
            started_at = COALESCE(started_at, $3), leased_until = $4, served_at = $3, claims = claims + 1
         WHERE tenant_id = $1 AND id = $2 RETURNING {COLUMNS}, claims"
    )
});
const RELEASE: &str = "UPDATE jobs SET leased_until = NULL, served_at = $4
    WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND ended_at IS NULL";
const PUT_OFF: &str =
    "UPDATE jobs SET leased_until = NULL, attempts = $4, due_at = $5, error_code = $6, error_detail = $7
    WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND ended_at IS NULL";
/// One that somebody has cancelled is that, whatever else befell it.
const FAIL: &str =
    "UPDATE jobs SET state = CASE WHEN state = 'cancelling' THEN 'cancelled' ELSE 'failed' END, leased_until = NULL, attempts = $4, ended_at = $5, error_code = $6,
    error_detail = $7, kept_until = $8
    WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND ended_at IS NULL";
const FREE: &str = "UPDATE jobs SET leased_until = NULL WHERE ended_at IS NULL AND leased_until IS NOT NULL";

/// The right to work on a job, until the lease is over or somebody else has taken it up.
#[derive(Debug, Clone)]
pub struct JobClaim {
    /// The job as it was when it was taken up.
    pub job: Job,
    pub(super) number: i64,
}

/// For how long somebody works on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Now.
    pub now: Timestamp,
    /// Until when, unless it is extended: each step does.
    pub until: Timestamp,
}

impl JobClaim {
    /// Tenant, id and number.
    pub(super) fn values(&self) -> Vec<Value> {
        let [tenant, id] = row::which(self.job.tenant_id, self.job.id);
        vec![tenant, id, Value::Int(self.number)]
    }
}

impl Store {
    /// Takes a job up that is due, if there is one. Of a tenant one at a time is worked on, the one that was made first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn claim_job(&self, lease: Lease) -> Result<Option<JobClaim>, StoreError> {
        self.write_quietly(lease, |lease, tx| Box::pin(claim(*lease, tx))).await
    }

    /// When the next job may be taken up, if there is one that is not over: a moment that is past if it can be now.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn next_job_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read((), |(), tx| Box::pin(next_at(tx))).await
    }

    /// Lets others have their turn; the job goes on later.
    ///
    /// # Errors
    /// When the database is unavailable; the lease runs out then.
    pub async fn release_job(&self, claim: &JobClaim, now: Timestamp) -> Result<(), StoreError> {
        let mut values = claim.values();
        values.push(now.into());
        self.run_on_job(RELEASE, values).await
    }

    /// Lays a job down whose step was tried in vain for the `attempts`th time; it goes on at `due_at`.
    ///
    /// # Errors
    /// When the database is unavailable; the lease runs out then.
    pub async fn put_job_off(
        &self,
        claim: &JobClaim,
        attempts: u32,
        due_at: Timestamp,
        error: JobError,
    ) -> Result<(), StoreError> {
        let mut values = claim.values();
        let why = [Value::Text(error.code), Value::Text(error.detail)];
        values.extend([Value::Int(attempts.into()), due_at.into()].into_iter().chain(why));
        self.run_on_job(PUT_OFF, values).await
    }

    /// Ends a job that cannot go on, as failed unless somebody has cancelled it. What there is of it is kept for as long as it says.
    ///
    /// # Errors
    /// When the database is unavailable; the lease runs out then.
    pub async fn fail_job(
        &self,
        claim: &JobClaim,
        attempts: u32,
        (now, kept_until): (Timestamp, Timestamp),
        error: JobError,
    ) -> Result<(), StoreError> {
        let mut values = claim.values();
        let why = [Value::Text(error.code), Value::Text(error.detail), kept_until.into()];
        values.extend([Value::Int(attempts.into()), now.into()].into_iter().chain(why));
        self.run_on_job(FAIL, values).await
    }

    /// Lets all jobs be taken up that another process worked on. For a server that has just got the right to serve: nobody works
    /// on any then.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn free_jobs(&self) -> Result<(), StoreError> {
        self.run_on_job(FREE, Vec::new()).await
    }

    async fn run_on_job(&self, sql: &'static str, values: Vec<Value>) -> Result<(), StoreError> {
        self.write_quietly((sql, values), |(sql, values), tx| {
            Box::pin(async move { tx.execute(sql, values).await.map(drop) })
        })
        .await
    }
}

async fn next_at(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    let found = tx.query_opt(NEXT_AT, &[]).await?;
    Ok(found.map(|mut row| row.opt_time("next_at")).transpose()?.flatten())
}

async fn claim(lease: Lease, tx: &mut Tx<'_>) -> Result<Option<JobClaim>, StoreError> {
    let Some(mut next) = tx.query_opt(NEXT, &[lease.now.into()]).await? else { return Ok(None) };
    let tenant_id: TenantId = next.parsed("tenant_id")?;
    let id: JobId = next.parsed("id")?;
    let [tenant, job] = row::which(tenant_id, id);
    let taken = tx.query_opt(&TAKE, &[tenant, job, lease.now.into(), lease.until.into()]).await?;
    let gone = || StoreError::Corrupt("a job is gone that was locked".to_owned());
    let mut taken = taken.ok_or_else(gone)?;
    let job = row::read(&mut taken)?;
    Ok(Some(JobClaim { job, number: taken.int("claims")? }))
}
