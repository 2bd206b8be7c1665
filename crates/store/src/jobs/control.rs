//! Looking at jobs, cancelling them, and letting them go on.

use std::sync::LazyLock;

use keystile_core::{Actor, AuditEntry, Job, JobId, JobKind, JobState, TenantId, Timestamp};

use super::row::{self, COLUMNS, ONE, ONE_LOCKED};
use super::step::cancel;
use crate::edit::tell;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

static PAGE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id < $2 AND (state = $4 OR $4 IS NULL)
            AND (kind = $5 OR $5 IS NULL) AND (actor = $6 OR $6 IS NULL) ORDER BY id DESC LIMIT $3"
    )
});
const LEASED: &str =
    "SELECT COUNT(*) AS leased FROM jobs WHERE tenant_id = $1 AND id = $2 AND leased_until > $3";
const CANCELLING: &str = "UPDATE jobs SET state = 'cancelling', due_at = $3 WHERE tenant_id = $1 AND id = $2";
const RETRY: &str =
    "UPDATE jobs SET state = 'running', due_at = $3, ended_at = NULL, kept_until = NULL, attempts = 0,
    error_code = NULL, error_detail = NULL WHERE tenant_id = $1 AND id = $2";
const TALLY: &str =
    "SELECT kind, state, COUNT(*) AS jobs FROM jobs WHERE ended_at IS NULL GROUP BY kind, state
    UNION ALL SELECT kind, state, COUNT(*) AS jobs FROM jobs WHERE state = 'failed' GROUP BY kind, state";

/// Which jobs a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Stands there.
    pub state: Option<JobState>,
    /// Does this.
    pub kind: Option<JobKind>,
    /// Was asked for by.
    pub actor: Option<Actor>,
}

/// What came of cancelling a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It is cancelled, or will be when its step is done.
    Yes(Box<Job>),
    /// It was over.
    Over(Box<Job>),
}

/// What came of letting a failed job go on.
#[derive(Debug, Clone, PartialEq)]
pub enum Retried {
    /// It goes on.
    Yes(Box<Job>),
    /// It has not failed, or too long ago.
    No(Box<Job>),
}

impl Store {
    /// One job of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn job(&self, tenant_id: TenantId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(row::which(tenant_id, id), |which, tx| Box::pin(read_one(&ONE, which, tx))).await
    }

    /// A page of the tenant's jobs, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn jobs(
        &self,
        tenant_id: TenantId,
        filter: &JobFilter,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, StoreError> {
        let values = [
            Value::text(tenant_id),
            page.below(),
            page.limit(),
            Value::opt_text(filter.state),
            Value::opt_text(filter.kind),
            Value::opt_text(filter.actor),
        ];
        self.read(values, |values, tx| Box::pin(read_page(values, tx))).await
    }

    /// How many jobs of the installation that are not over, or have failed, do what, and where they stand.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tally_jobs(&self) -> Result<Vec<(JobKind, JobState, u64)>, StoreError> {
        self.read((), |(), tx| Box::pin(tally(tx))).await
    }

    /// Cancels a job: at once if nobody works on it, else when the step at hand is done. Nothing if there is no such job.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn cancel_job(
        &self,
        (tenant_id, id): (TenantId, JobId),
        now: Timestamp,
        kept_until: Timestamp,
        entry: AuditEntry,
    ) -> Result<Option<Cancelled>, StoreError> {
        let args = (row::which(tenant_id, id), now, kept_until, entry);
        self.write(args, |(which, now, kept_until, entry), tx| {
            Box::pin(cancel_one(which, (*now, *kept_until), entry, tx))
        })
        .await
    }

    /// Lets a job go on that has failed and of which all is still kept. Nothing if there is no such job.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn retry_job(
        &self,
        (tenant_id, id): (TenantId, JobId),
        now: Timestamp,
        entry: AuditEntry,
    ) -> Result<Option<Retried>, StoreError> {
        let args = (row::which(tenant_id, id), now, entry);
        self.write(args, |(which, now, entry), tx| Box::pin(retry_one(which, *now, entry, tx))).await
    }
}

async fn read_one(sql: &str, which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<Job>, StoreError> {
    tx.query_opt(sql, which).await?.map(|mut found| row::read(&mut found)).transpose()
}

async fn read_page(values: &[Value; 6], tx: &mut Tx<'_>) -> Result<Vec<Job>, StoreError> {
    tx.query(&PAGE, values).await?.into_iter().map(|mut found| row::read(&mut found)).collect()
}

async fn tally(tx: &mut Tx<'_>) -> Result<Vec<(JobKind, JobState, u64)>, StoreError> {
    let mut all = Vec::new();
    for mut row in tx.query(TALLY, &[]).await? {
        let (kind, state) = (row.parsed("kind")?, row.parsed("state")?);
        all.push((kind, state, row.opt_count("jobs")?.unwrap_or(0)));
    }
    Ok(all)
}

async fn cancel_one(
    which: &[Value; 2],
    (now, kept_until): (Timestamp, Timestamp),
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<Option<Cancelled>, StoreError> {
    let Some(job) = read_one(&ONE_LOCKED, which, tx).await? else { return Ok(None) };
    if job.state.is_over() {
        return Ok(Some(Cancelled::Over(Box::new(job))));
    }
    let [tenant, id] = which.clone();
    let asked = [tenant, id, now.into()];
    let leased = tx.query_opt(LEASED, &asked).await?;
    let is_leased = leased.map(|mut row| row.int("leased")).transpose()?.is_some_and(|leased| leased > 0);
    // A step is one transaction that holds the lock of this row, so none is at hand now; who has taken the job up will see this
    // before the next one.
    let is_first = job.state != JobState::Cancelling;
    if is_leased {
        tx.execute(CANCELLING, &asked).await?;
    } else {
        cancel(job.tenant_id, &job, (now, kept_until), tx).await?;
    }
    if is_first {
        tell(&[], entry, tx).await?;
    }
    Ok(read_one(&ONE, which, tx).await?.map(|job| Cancelled::Yes(Box::new(job))))
}

async fn retry_one(
    which: &[Value; 2],
    now: Timestamp,
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<Option<Retried>, StoreError> {
    let Some(job) = read_one(&ONE_LOCKED, which, tx).await? else { return Ok(None) };
    let is_kept = job.kept_until.is_some_and(|until| until > now);
    if job.state != JobState::Failed || !is_kept {
        return Ok(Some(Retried::No(Box::new(job))));
    }
    let [tenant, id] = which.clone();
    tell(&[(RETRY, &[tenant, id, now.into()])], entry, tx).await?;
    Ok(read_one(&ONE, which, tx).await?.map(|job| Retried::Yes(Box::new(job))))
}
