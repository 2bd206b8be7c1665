//! What a job has come to.

use keystile_core::{AuditEntry, Digest, Job, JobId, TenantId};

use super::row::{self, ONE_LOCKED};
use crate::edit::tell;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const INSERT: &str =
    "INSERT INTO job_chunks (tenant_id, job_id, number, content, sealed_by) VALUES ($1, $2, $3, $4, $5)";
const NEXT: &str = "SELECT number, content, sealed_by FROM job_chunks
    WHERE tenant_id = $1 AND job_id = $2 AND number > $3 ORDER BY number LIMIT 1";
const ALL: &str = "SELECT number, content, sealed_by FROM job_chunks
    WHERE tenant_id = $1 AND job_id = $2 ORDER BY number";
const REMOVE: &str = "DELETE FROM job_chunks WHERE tenant_id = $1 AND job_id = $2";
const EMPTIED: &str = "UPDATE jobs SET result_bytes = 0 WHERE tenant_id = $1 AND id = $2";
/// Answered by an index of the pieces that are sealed, which are few and are kept for a day.
const SEALED_BY: &str = "SELECT DISTINCT sealed_by FROM job_chunks WHERE sealed_by IS NOT NULL";

/// A piece of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobChunk {
    /// The piece.
    pub content: Vec<u8>,
    /// Fingerprint of the key that sealed it, if it is sealed.
    pub sealed_by: Option<Digest>,
}

impl Store {
    /// The next piece of a result behind the number `after`, with its own number; -1 begins with the first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn job_chunk(
        &self,
        tenant_id: TenantId,
        id: JobId,
        after: i64,
    ) -> Result<Option<(i64, JobChunk)>, StoreError> {
        let [tenant, id] = row::which(tenant_id, id);
        let values = [tenant, id, Value::Int(after)];
        self.read(values, |values, tx| {
            Box::pin(async move { tx.query_opt(NEXT, &*values).await?.map(read).transpose() })
        })
        .await
    }

    /// Takes a result out for good, and tells the log; nothing if there is none, or no such job.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn take_job_result(
        &self,
        tenant_id: TenantId,
        id: JobId,
        entry: AuditEntry,
    ) -> Result<Vec<JobChunk>, StoreError> {
        self.write((row::which(tenant_id, id), entry), |(which, entry), tx| {
            Box::pin(take_all(which, entry, tx))
        })
        .await
    }
}

async fn take_all(
    which: &[Value; 2],
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<Vec<JobChunk>, StoreError> {
    // Of two who take it at once, the second finds nothing.
    tx.query_opt(&ONE_LOCKED, which).await?;
    let found = tx.query(ALL, which).await?.into_iter().map(read).collect::<Read<Vec<_>>>()?;
    if !found.is_empty() {
        tell(&[(REMOVE, which), (EMPTIED, which)], entry, tx).await?;
    }
    Ok(found.into_iter().map(|(_, chunk)| chunk).collect())
}

/// Fingerprints of the keys that what jobs have made is sealed with.
pub(crate) async fn sealing_keys(tx: &mut Tx<'_>) -> Read<Vec<Digest>> {
    tx.query(SEALED_BY, &[]).await?.into_iter().map(|mut row| row.digest("sealed_by")).collect()
}

/// Pieces are numbered by how many keys the job had seen before, so that they are in order.
pub(super) async fn insert_chunk(job: &Job, chunk: &JobChunk, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let [tenant, id] = row::which(job.tenant_id, job.id);
    let number = Value::count(Some(job.seen()));
    let values = [tenant, id, number, Value::blob(chunk.content.clone()), chunk.sealed_by.into()];
    tx.execute(INSERT, &values).await.map(drop)
}

fn read(mut row: Row) -> Read<(i64, JobChunk)> {
    let (number, content) = (row.int("number")?, row.blob("content")?);
    Ok((number, JobChunk { content, sealed_by: row.opt_digest("sealed_by")? }))
}
