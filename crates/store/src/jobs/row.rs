//! The columns of a job.

use std::sync::LazyLock;

use keystile_core::{Job, JobError, JobId, TenantId};
use serde_json::json;

use crate::row::{Read, Row};
use crate::value::Value;

/// What a `SELECT` names for [`read`].
pub(super) const COLUMNS: &str =
    "tenant_id, id, kind, state, actor, ip, request_id, parameters, last_key, total, done,
    failed, place, attempts, due_at, problems, error_code, error_detail, created_at, started_at, ended_at,
    result_bytes, kept_until";

pub(super) static ONE: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2"));
pub(super) static ONE_LOCKED: LazyLock<String> = LazyLock::new(|| format!("{} {{for_update}}", *ONE));

/// Its values are those of [`insert_values`].
pub(super) static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO jobs ({COLUMNS}, claims, leased_until, served_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, 0, NULL, 0)"
    )
});

pub(super) fn which(tenant_id: TenantId, id: JobId) -> [Value; 2] {
    [Value::text(tenant_id), Value::text(id)]
}

pub(super) fn insert_values(job: &Job) -> Vec<Value> {
    vec![
        Value::text(job.tenant_id),
        Value::text(job.id),
        Value::text(job.kind),
        Value::text(job.state),
        Value::text(job.actor),
        Value::opt_text(job.ip),
        Value::opt_text(job.request_id.as_ref()),
        Value::json(&job.parameters),
        Value::opt_text(job.last_key),
        Value::count(Some(job.total)),
        Value::count(Some(job.done)),
        Value::count(Some(job.failed)),
        Value::opt_text(job.place.as_ref()),
        Value::Int(job.attempts.into()),
        job.due_at.into(),
        Value::json(&json!(job.problems)),
        Value::opt_text(job.error.as_ref().map(|error| &error.code)),
        Value::opt_text(job.error.as_ref().map(|error| &error.detail)),
        job.created_at.into(),
        job.started_at.into(),
        job.ended_at.into(),
        Value::count(Some(job.result_bytes)),
        job.kept_until.into(),
    ]
}

/// Reads [`COLUMNS`].
pub(super) fn read(row: &mut Row) -> Read<Job> {
    Ok(Job {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        kind: row.parsed("kind")?,
        state: row.parsed("state")?,
        actor: row.parsed("actor")?,
        ip: row.opt_parsed("ip")?,
        request_id: row.opt_text("request_id")?,
        parameters: row.json("parameters")?,
        last_key: row.opt_parsed("last_key")?,
        total: count(row, "total")?,
        done: count(row, "done")?,
        failed: count(row, "failed")?,
        place: row.opt_text("place")?,
        attempts: row.small("attempts")?.into(),
        due_at: row.time("due_at")?,
        problems: row.json("problems")?,
        error: error(row)?,
        created_at: row.time("created_at")?,
        started_at: row.opt_time("started_at")?,
        ended_at: row.opt_time("ended_at")?,
        result_bytes: count(row, "result_bytes")?,
        kept_until: row.opt_time("kept_until")?,
    })
}

fn count(row: &mut Row, column: &str) -> Read<u64> {
    Ok(row.opt_count(column)?.unwrap_or(0))
}

fn error(row: &mut Row) -> Read<Option<JobError>> {
    let (code, detail) = (row.opt_text("error_code")?, row.opt_text("error_detail")?);
    Ok(code.zip(detail).map(|(code, detail)| JobError { code, detail }))
}
