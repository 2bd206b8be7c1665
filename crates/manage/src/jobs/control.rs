//! Showing jobs, cancelling them, and letting them go on.

use keystile_core::{Action, Job, JobId};
use keystile_measure::SPANS;
use keystile_store::{Cancelled, JobFilter, Page, Retried};
use serde_json::json;
use tracing::instrument;

use super::{kept_until, right};
use crate::{Caller, Conflict, ControlPlane, Refused, Right};

/// Which jobs to list.
pub type JobQuery = JobFilter;

const JOB: Refused = Refused::NotFound("job");

impl ControlPlane {
    /// A page of the jobs of the caller's tenant, newest first; a key as caller sees its own only.
    ///
    /// # Errors
    /// Without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn jobs(
        &self,
        caller: &Caller,
        query: &JobQuery,
        page: Page<JobId>,
    ) -> Result<Vec<Job>, Refused> {
        caller.require(Right::ReadKeys)?;
        let mut query = query.clone();
        if caller.reach().is_some() {
            if query.actor.is_some_and(|actor| actor != caller.actor) {
                return Ok(Vec::new());
            }
            query.actor = Some(caller.actor);
        }
        Ok(self.store.jobs(caller.tenant_id, &query, page).await?)
    }

    /// One job of the caller's tenant; for a key as caller, one that it has asked for.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for any other; without [`Right::ReadKeys`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn job(&self, caller: &Caller, id: JobId) -> Result<Job, Refused> {
        caller.require(Right::ReadKeys)?;
        let job = self.store.job(caller.tenant_id, id).await?;
        job.filter(|job| caller.reach().is_none() || job.actor == caller.actor).ok_or(JOB)
    }

    /// Ends a job: at once, or when the step at hand is done. What was done stays. Asking twice changes nothing.
    ///
    /// # Errors
    /// [`Refused::NotFound`] as [`Self::job`]; without the right that asking for the job takes; without [`Right::ManageKeys`] if
    /// somebody else has asked for it; [`Conflict::JobOver`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn cancel_job(&self, caller: &Caller, id: JobId) -> Result<Job, Refused> {
        let job = self.job(caller, id).await?;
        may_steer(caller, &job)?;
        let entry = self.entry(caller, Action::JobCancel, id.to_string(), json!({ "kind": job.kind }))?;
        let now = self.now();
        let which = (caller.tenant_id, id);
        match self.store.cancel_job(which, now, kept_until(job.kind, now), entry).await?.ok_or(JOB)? {
            Cancelled::Yes(job) => {
                self.jobs_made.notify_one();
                Ok(*job)
            }
            Cancelled::Over(_) => Err(Refused::Conflict(Conflict::JobOver)),
        }
    }

    /// Lets a job go on that has failed, still as whoever asked for it.
    ///
    /// # Errors
    /// [`Refused::NotFound`] as [`Self::job`]; without the right that asking for the job takes; without [`Right::ManageKeys`] if
    /// somebody else has asked for it; [`Conflict::JobNotFailed`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn retry_job(&self, caller: &Caller, id: JobId) -> Result<Job, Refused> {
        let job = self.job(caller, id).await?;
        may_steer(caller, &job)?;
        let entry = self.entry(caller, Action::JobRetry, id.to_string(), json!({ "kind": job.kind }))?;
        match self.store.retry_job((caller.tenant_id, id), self.now(), entry).await?.ok_or(JOB)? {
            Retried::Yes(job) => {
                self.jobs_made.notify_one();
                Ok(*job)
            }
            Retried::No(_) => Err(Refused::Conflict(Conflict::JobNotFailed)),
        }
    }
}

/// Whether the caller may end a job or let it go on: their own as long as they could ask for it, those of others if they may
/// change keys.
fn may_steer(caller: &Caller, job: &Job) -> Result<(), Refused> {
    caller.require(right(job.kind))?;
    if job.actor == caller.actor { Ok(()) } else { caller.require(Right::ManageKeys) }
}
