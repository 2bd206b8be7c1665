//! Making a job.

use keystile_core::job::MOST_OPEN;
use keystile_core::{ApiKey, AuditEntry, Job, KeyId, TenantId};

use super::packed::pack_keys;
use super::row::{self, INSERT};
use crate::edit::tell;
use crate::key_count::{count, last_key};
use crate::members::LOCK;
use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Store, StoreError};

const OPEN: &str = "SELECT COUNT(*) AS open FROM jobs WHERE tenant_id = $1 AND ended_at IS NULL";
const INPUT: &str = "INSERT INTO job_inputs (tenant_id, job_id, number, keys) VALUES ($1, $2, $3, $4)";

/// A job that is to be made.
#[derive(Debug)]
pub struct NewJob {
    /// The job; of one on keys that are there, `last_key` and `total` are found out.
    pub job: Job,
    /// Which keys it works on, unless it adds some.
    pub filter: Option<KeyFilter>,
    /// The keys that it adds, as many as one step does in each part.
    pub inputs: Vec<Vec<ApiKey>>,
    /// How many keys whoever asks for it thinks there are.
    pub expected: Option<u64>,
    /// Most keys that it may work on.
    pub most: Option<u64>,
    /// What the log is told.
    pub entry: AuditEntry,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub enum JobMade {
    /// The job.
    Made(Box<Job>),
    /// None: so many of the tenant are not over.
    TooMany,
    /// None: there are other than the expected keys, so many.
    Differs(u64),
    /// None: there are more keys than it may work on, so many.
    TooLarge(u64),
}

impl Store {
    /// Makes a job, and tells the log. Its keys are counted before, beside everything else, as that may take a while.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn make_job(&self, mut new: NewJob) -> Result<JobMade, StoreError> {
        if let Some(filter) = new.filter.clone() {
            let (last_key, total) = self.counted(new.job.tenant_id, filter).await?;
            (new.job.last_key, new.job.total) = (last_key, total);
        }
        let total = new.job.total;
        if new.expected.is_some_and(|expected| expected != total) {
            return Ok(JobMade::Differs(total));
        }
        if new.most.is_some_and(|most| total > most) {
            return Ok(JobMade::TooLarge(total));
        }
        self.write(new, |new, tx| Box::pin(make(new, tx))).await
    }

    /// How many keys of the tenant a filter finds.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn count_keys(&self, tenant_id: TenantId, filter: KeyFilter) -> Result<u64, StoreError> {
        Ok(self.counted(tenant_id, filter).await?.1)
    }

    /// The key of the tenant that was made last, and how many keys up to it a filter finds.
    async fn counted(
        &self,
        tenant_id: TenantId,
        filter: KeyFilter,
    ) -> Result<(Option<KeyId>, u64), StoreError> {
        self.read((tenant_id, filter), |(tenant_id, filter), tx| Box::pin(count_all(*tenant_id, filter, tx)))
            .await
    }
}

async fn make(new: &mut NewJob, tx: &mut Tx<'_>) -> Result<JobMade, StoreError> {
    let tenant_id = new.job.tenant_id;
    // Of two who make jobs at once, the second counts that of the first.
    tx.query(LOCK, &[Value::text(tenant_id)]).await?;
    let open = tx.query_opt(OPEN, &[Value::text(tenant_id)]).await?;
    let open = open.map(|mut row| row.opt_count("open")).transpose()?.flatten().unwrap_or(0);
    if open >= MOST_OPEN {
        return Ok(JobMade::TooMany);
    }
    tell(&[(&INSERT, &row::insert_values(&new.job))], &new.entry, tx).await?;
    let [tenant, id] = row::which(tenant_id, new.job.id);
    for (part, number) in new.inputs.iter().zip(0..) {
        let values = [tenant.clone(), id.clone(), Value::Int(number), Value::Text(pack_keys(part))];
        tx.execute(INPUT, &values).await?;
    }
    Ok(JobMade::Made(Box::new(new.job.clone())))
}

async fn count_all(
    tenant_id: TenantId,
    filter: &KeyFilter,
    tx: &mut Tx<'_>,
) -> Result<(Option<KeyId>, u64), StoreError> {
    match last_key(tenant_id, tx).await? {
        Some(last) => Ok((Some(last), count(tenant_id, filter, last, tx).await?)),
        None => Ok((None, 0)),
    }
}
