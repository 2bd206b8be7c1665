//! One step of a job.

use keystile_core::job::{MOST_EXPORTS, MOST_PROBLEMS};
use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{
    ApiKey, AuditEntry, Digest, Job, JobKind, JobProblem, JobState, KeyId, TenantId, Timestamp,
};
use serde_json::json;

use super::claim::{JobClaim, Lease};
use super::packed::unpack_keys;
use super::result::{JobChunk, insert_chunk};
use super::row::{self, COLUMNS};
use crate::belonging::Belonging;
use crate::edit::take;
use crate::filter::Tagged;
use crate::listing::{Listing, Which};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Held, KeyFilter, KeyPage, Store, StoreError, import, keys, record, rotation};

const DONE: &str =
    "UPDATE jobs SET state = $4, place = $5, done = done + $6, failed = failed + $7, problems = $8,
    attempts = 0, error_code = NULL, error_detail = NULL, leased_until = $9, ended_at = $10, kept_until = $11,
    result_bytes = result_bytes + $12
    WHERE tenant_id = $1 AND id = $2 AND claims = $3";
/// Of a tenant the last so many exports that are over stay; what is older is removed by the next sweep.
pub(crate) const LET_GO: &str =
    "UPDATE jobs SET kept_until = $2 WHERE tenant_id = $1 AND kind = 'export' AND result_bytes > 0
        AND kept_until > $2 AND id < (SELECT id FROM jobs WHERE tenant_id = $1 AND kind = 'export'
            AND result_bytes > 0 AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1 OFFSET $3)";
const INPUT: &str = "SELECT keys FROM job_inputs WHERE tenant_id = $1 AND job_id = $2 AND number = $3";
const REMOVE_INPUT: &str = "DELETE FROM job_inputs WHERE tenant_id = $1 AND job_id = $2 AND number = $3";
const REMOVE_INPUTS: &str = "DELETE FROM job_inputs WHERE tenant_id = $1 AND job_id = $2";

/// A key that a job comes upon.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundKey {
    /// As it is, while nobody else changes it.
    pub key: ApiKey,
    /// The newest key that was made from it and lives, if that was asked for.
    pub successor: Option<KeyId>,
}

/// A key that a step changes.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedKey {
    /// As it was found.
    pub before: ApiKey,
    /// As it is to be.
    pub after: ApiKey,
    /// What the log is told.
    pub entry: AuditEntry,
}

/// What a step writes.
#[derive(Debug, Default)]
pub struct JobStep {
    /// Keys that are changed.
    pub changed: Vec<ChangedKey>,
    /// Keys that are made.
    pub made: Vec<(ApiKey, AuditEntry)>,
    /// A piece of the result.
    pub chunk: Option<JobChunk>,
    /// How many keys were handled.
    pub done: u64,
    /// Why the others were not.
    pub problems: Vec<JobProblem>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stepped {
    /// There may be more to do.
    On,
    /// All is done.
    Done,
    /// Somebody has cancelled the job; nothing was done.
    Cancelled,
    /// Somebody else has taken the job up, or it is over; nothing was done.
    Lost,
}

/// Which keys a step looks at, and what is noted of it.
#[derive(Debug, Clone)]
pub struct KeyStep {
    /// Which keys; none, to end the job.
    pub filter: Option<KeyFilter>,
    /// How many keys at most.
    pub most: u32,
    /// As of when successors are looked for, if they are.
    pub successors_at: Option<Timestamp>,
    /// For how long the job is worked on.
    pub lease: Lease,
    /// Until when its result is kept if it ends.
    pub kept_until: Timestamp,
}

impl Store {
    /// Does the next step of a job on keys that are there: reads and locks them, lets `decide` say what to write, and writes it
    /// together with how far the job has come. When `decide` fails, nothing is written; it is held to what the closure of
    /// [`Self::change_key`] is.
    ///
    /// # Errors
    /// As [`Self::change_key`].
    pub async fn step_through_keys<E: Send + 'static>(
        &self,
        claim: &JobClaim,
        step: KeyStep,
        decide: impl FnOnce(&Job, Vec<FoundKey>) -> Result<JobStep, E> + Send + 'static,
    ) -> Result<Result<Stepped, E>, StoreError> {
        let args = (claim.clone(), step, Some(decide));
        self.write(args, |(claim, step, decide), tx| Box::pin(through_keys(claim, step, decide, tx))).await
    }

    /// Does the next step of an import: `decide` is told which keys are to be added, and what is there already of them.
    ///
    /// # Errors
    /// As [`Self::import_keys`].
    pub async fn step_through_import<E: Send + 'static>(
        &self,
        claim: &JobClaim,
        (lease, kept_until): (Lease, Timestamp),
        decide: impl FnOnce(&Job, Vec<ApiKey>, &Held) -> Result<JobStep, E> + Send + 'static,
    ) -> Result<Result<Stepped, E>, StoreError> {
        let args = (claim.clone(), lease, kept_until, Some(decide));
        self.write(args, |(claim, lease, kept_until, decide), tx| {
            Box::pin(through_import(claim, (*lease, *kept_until), decide, tx))
        })
        .await
    }
}

async fn through_keys<E, F>(
    claim: &JobClaim,
    step: &KeyStep,
    decide: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Result<Stepped, E>, StoreError>
where
    F: FnOnce(&Job, Vec<FoundKey>) -> Result<JobStep, E>,
{
    let turn = (step.lease, step.kept_until);
    let job = match begin(claim, turn, tx).await? {
        Begun::Goes(job) => job,
        Begun::Ends(stepped) => return Ok(Ok(stepped)),
    };
    if job.kind == JobKind::Export && job.place.is_none() {
        let newer = i64::try_from(MOST_EXPORTS).unwrap_or(i64::MAX) - 1;
        tx.execute(LET_GO, &[Value::text(job.tenant_id), step.lease.now.into(), newer.into()]).await?;
    }
    let found = find(&job, step, tx).await?;
    let place = found.last().map(|found| found.key.id.to_string());
    let is_last = found.len() < usize::try_from(step.most).unwrap_or(usize::MAX);
    match take(decide)?(&job, found) {
        Err(refusal) => Ok(Err(refusal)),
        Ok(decided) => {
            for ChangedKey { before, after, entry } in &decided.changed {
                record::check_change(before, after)?;
                keys::write(before, after, entry, tx).await?;
            }
            for (key, entry) in &decided.made {
                // It belongs to what the key that it follows does, archived or not.
                keys::insert(key, entry, Belonging::default(), tx).await?;
            }
            end(claim, &job, Ended { decided, place, is_last, turn }, tx).await.map(Ok)
        }
    }
}

/// The next keys, locked, in the order of their ids.
async fn find(job: &Job, step: &KeyStep, tx: &mut Tx<'_>) -> Result<Vec<FoundKey>, StoreError> {
    let (Some(last_key), Some(filter)) = (job.last_key, &step.filter) else { return Ok(Vec::new()) };
    let by_id = |id| KeyCursor { id, place: KeyPlace::Id };
    let after = job.place.as_deref().map(str::parse::<KeyId>).transpose();
    let after = after.map_err(|_| StoreError::Corrupt("a job has no known place".to_owned()))?.map(by_id);
    if after.as_ref().is_some_and(|after| after.id >= last_key) {
        return Ok(Vec::new());
    }
    let page = KeyPage { sort: KeySort::Created, order: SortOrder::Ascending, after, limit: step.most };
    let which = Which { tenant_id: job.tenant_id, filter: filter.clone(), page };
    let Listing { sql, values } = Listing::of_page(&which, Tagged::Together, Some(&by_id(last_key)));
    let mut found = Vec::new();
    for row in tx.query(&format!("{sql} {{for_update}}"), &values).await? {
        found.push(FoundKey { key: record::read(row)?, successor: None });
    }
    if let Some(now) = step.successors_at {
        for one in &mut found {
            one.successor = rotation::living_successor(&one.key, now, tx).await?;
        }
    }
    Ok(found)
}

async fn through_import<E, F>(
    claim: &JobClaim,
    turn: (Lease, Timestamp),
    decide: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Result<Stepped, E>, StoreError>
where
    F: FnOnce(&Job, Vec<ApiKey>, &Held) -> Result<JobStep, E>,
{
    let job = match begin(claim, turn, tx).await? {
        Begun::Goes(job) => job,
        Begun::Ends(stepped) => return Ok(Ok(stepped)),
    };
    let number = job.place.as_deref().unwrap_or("0").parse::<i64>();
    let number = number.map_err(|_| StoreError::Corrupt("a job has no known place".to_owned()))?;
    let [tenant, id] = row::which(job.tenant_id, job.id);
    let which = [tenant, id, Value::Int(number)];
    let wanted = match tx.query_opt(INPUT, &which).await? {
        Some(mut row) => unpack_keys(&row.text("keys")?)?,
        None => Vec::new(),
    };
    let is_last = wanted.is_empty();
    let digests: Vec<Digest> = wanted.iter().map(|key| key.secret.digest).collect();
    let held = import::held(job.tenant_id, &digests, tx).await?;
    match take(decide)?(&job, wanted, &held) {
        Err(refusal) => Ok(Err(refusal)),
        Ok(mut decided) => {
            let (keys, audit): (Vec<_>, Vec<_>) = std::mem::take(&mut decided.made).into_iter().unzip();
            import::add(&keys, &audit, tx).await?;
            tx.execute(REMOVE_INPUT, &which).await?;
            let place = Some(number.saturating_add(1).to_string());
            end(claim, &job, Ended { decided, place, is_last, turn }, tx).await.map(Ok)
        }
    }
}

/// Whether a step may be done.
enum Begun {
    Goes(Box<Job>),
    Ends(Stepped),
}

async fn begin(
    claim: &JobClaim,
    (lease, kept_until): (Lease, Timestamp),
    tx: &mut Tx<'_>,
) -> Result<Begun, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND ended_at IS NULL {{for_update}}"
    );
    let Some(mut found) = tx.query_opt(&sql, &claim.values()).await? else {
        return Ok(Begun::Ends(Stepped::Lost));
    };
    let job = row::read(&mut found)?;
    match job.state {
        JobState::Running => Ok(Begun::Goes(Box::new(job))),
        JobState::Cancelling => {
            cancel(job.tenant_id, &job, (lease.now, kept_until), tx).await?;
            Ok(Begun::Ends(Stepped::Cancelled))
        }
        JobState::Waiting | JobState::Done | JobState::Failed | JobState::Cancelled => {
            Ok(Begun::Ends(Stepped::Lost))
        }
    }
}

const CANCEL: &str =
    "UPDATE jobs SET state = 'cancelled', leased_until = NULL, ended_at = $3, kept_until = $4
    WHERE tenant_id = $1 AND id = $2";

/// Ends a job whose row is locked and that nobody works on. What it is still to add is forgotten.
pub(super) async fn cancel(
    tenant_id: TenantId,
    job: &Job,
    (now, kept_until): (Timestamp, Timestamp),
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let [tenant, id] = row::which(tenant_id, job.id);
    tx.execute(REMOVE_INPUTS, &[tenant.clone(), id.clone()]).await?;
    tx.execute(CANCEL, &[tenant, id, now.into(), kept_until.into()]).await.map(drop)
}

/// What is noted when a step was decided and done.
struct Ended {
    decided: JobStep,
    place: Option<String>,
    is_last: bool,
    turn: (Lease, Timestamp),
}

async fn end(claim: &JobClaim, job: &Job, ended: Ended, tx: &mut Tx<'_>) -> Result<Stepped, StoreError> {
    let Ended { decided, place, is_last, turn: (lease, kept_until) } = ended;
    let result_bytes = decided.chunk.as_ref().map_or(0, |chunk| chunk.content.len() as u64);
    if let Some(chunk) = &decided.chunk {
        insert_chunk(job, chunk, tx).await?;
    }
    let failed = decided.problems.len() as u64;
    let mut problems = job.problems.clone();
    problems.extend(decided.problems);
    problems.truncate(MOST_PROBLEMS);
    let (state, stepped) =
        if is_last { (JobState::Done, Stepped::Done) } else { (JobState::Running, Stepped::On) };
    let over = is_last.then_some((lease.now, kept_until));
    let mut values = claim.values();
    values.extend([
        Value::text(state),
        Value::opt_text(place.or_else(|| job.place.clone())),
        Value::count(Some(decided.done)),
        Value::count(Some(failed)),
        Value::json(&json!(problems)),
        (!is_last).then_some(lease.until).into(),
        over.map(|(now, _)| now).into(),
        over.map(|(_, kept_until)| kept_until).into(),
        Value::count(Some(result_bytes)),
    ]);
    tx.execute(DONE, &values).await?;
    Ok(stepped)
}
