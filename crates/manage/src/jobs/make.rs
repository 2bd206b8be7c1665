//! Asking for a job.

use std::time::Duration;

use keystile_core::job::MOST_ROTATED;
use keystile_core::key::KeyImport;
use keystile_core::{Action, ApiKey, Invalid, Job, JobId, JobState};
use keystile_measure::SPANS;
use keystile_store::{JobMade, NewJob};
use serde_json::json;
use tracing::instrument;

use super::work::Work;
use super::{STEP, most, right};
use crate::keys::seen;
use crate::{Caller, Conflict, ControlPlane, KeyQuery, Refused, Right};

/// What a job is to do.
#[derive(Debug)]
pub enum JobOrder {
    /// Take these keys over.
    Import(Vec<KeyImport>),
    /// Write these down.
    Export(KeyQuery),
    /// End these for good.
    Revoke {
        /// Which.
        query: KeyQuery,
        /// Why.
        reason: Option<String>,
    },
    /// Switch these off.
    Disable(KeyQuery),
    /// Switch these on.
    Enable(KeyQuery),
    /// Give these successors.
    Rotate {
        /// Which.
        query: KeyQuery,
        /// How long the old keys live on.
        overlap: Duration,
    },
}

impl ControlPlane {
    /// Makes a job, which begins in a moment. It works on the keys that are there now and that the filter finds when their turn
    /// comes. If `expected` is said, so many keys must be found now.
    ///
    /// # Errors
    /// Without the right that the same takes for one key; for keys of an import as [`Self::import_keys`]; when other than the
    /// expected keys are found; when too many jobs of the tenant are not over.
    #[instrument(target = SPANS, skip_all)]
    pub async fn make_job(
        &self,
        caller: &Caller,
        order: JobOrder,
        expected: Option<u64>,
    ) -> Result<Job, Refused> {
        let (work, keys) = self.prepared(caller, order).await?;
        let kind = work.kind();
        let (id, created_at) = (self.fresh(JobId::from_parts)?, self.now());
        let total = keys.len() as u64;
        let job = Job {
            id,
            tenant_id: caller.tenant_id,
            kind,
            state: JobState::Waiting,
            actor: caller.actor,
            ip: caller.origin.ip,
            request_id: caller.origin.request_id.clone(),
            parameters: work.to_parameters()?,
            last_key: None,
            total,
            done: 0,
            failed: 0,
            place: None,
            attempts: 0,
            due_at: created_at,
            problems: Vec::new(),
            error: None,
            created_at,
            started_at: None,
            ended_at: None,
            result_bytes: 0,
            kept_until: None,
        };
        let changes = json!({ "kind": kind, "parameters": job.parameters, "expected": expected });
        let entry = self.entry(caller, Action::JobCreate, id.to_string(), changes)?;
        let inputs = keys.chunks(STEP).map(<[ApiKey]>::to_vec).collect();
        let filter = work.filter().cloned();
        let new = NewJob { job, filter, inputs, expected, most: most(kind), entry };
        match self.store.make_job(new).await? {
            JobMade::Made(job) => {
                self.jobs_made.notify_one();
                Ok(*job)
            }
            JobMade::TooMany => Err(Refused::TooManyJobs),
            JobMade::Differs(found) => Err(Refused::Conflict(Conflict::JobKeysDiffer(found))),
            JobMade::TooLarge(found) => Err(too_large(found)),
        }
    }

    /// How many keys a job would be about, if it could be made: of an import those that it is to add.
    ///
    /// # Errors
    /// As [`Self::make_job`], but for the number of jobs.
    #[instrument(target = SPANS, skip_all)]
    pub async fn try_job(
        &self,
        caller: &Caller,
        order: JobOrder,
        expected: Option<u64>,
    ) -> Result<u64, Refused> {
        let (work, keys) = self.prepared(caller, order).await?;
        let total = match work.filter() {
            Some(filter) => self.store.count_keys(caller.tenant_id, filter.clone()).await?,
            None => keys.len() as u64,
        };
        if expected.is_some_and(|expected| expected != total) {
            return Err(Refused::Conflict(Conflict::JobKeysDiffer(total)));
        }
        if most(work.kind()).is_some_and(|most| total > most) {
            return Err(too_large(total));
        }
        Ok(total)
    }

    /// How many keys the caller would be shown for a query, so that they can say what they expect.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn count_keys(&self, caller: &Caller, query: &KeyQuery) -> Result<u64, Refused> {
        caller.require(Right::ReadKeys)?;
        match seen(caller, query) {
            Some(query) => Ok(self.store.count_keys(caller.tenant_id, query).await?),
            None => Ok(0),
        }
    }

    /// What is kept of an order, and the keys that it adds.
    async fn prepared(&self, caller: &Caller, order: JobOrder) -> Result<(Work, Vec<ApiKey>), Refused> {
        let work = match order {
            JobOrder::Import(imports) => {
                caller.require(Right::ManageKeys)?;
                return Ok((Work::Import, self.wanted(caller, imports).await?));
            }
            JobOrder::Export(query) => Work::Export { filter: narrowed(caller, &query)? },
            JobOrder::Revoke { query, reason } => Work::Revoke { filter: living(caller, &query)?, reason },
            JobOrder::Disable(query) => Work::Disable { filter: living(caller, &query)? },
            JobOrder::Enable(query) => Work::Enable { filter: living(caller, &query)? },
            JobOrder::Rotate { query, overlap } => {
                Work::Rotate { filter: living(caller, &query)?, overlap_seconds: overlap.as_secs() }
            }
        };
        caller.require(right(work.kind()))?;
        Ok((work, Vec::new()))
    }
}

fn too_large(found: u64) -> Refused {
    let rule = format!("finds {found} keys; at most {MOST_ROTATED} are rotated by one job");
    Invalid::new("filter", rule).into()
}

/// What of a query the caller sees.
fn narrowed(caller: &Caller, query: &KeyQuery) -> Result<KeyQuery, Refused> {
    let beyond = || Invalid::new("filter", "names keys that this API key does not see").into();
    seen(caller, query).ok_or_else(beyond)
}

/// The same of keys that are to be changed.
fn living(caller: &Caller, query: &KeyQuery) -> Result<KeyQuery, Refused> {
    if query.include_deleted {
        let rule = "must not be set: deleted keys stay as they are";
        return Err(Invalid::new("filter.include_deleted", rule).into());
    }
    narrowed(caller, query)
}
