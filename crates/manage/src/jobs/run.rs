//! Doing jobs, step by step.

use std::time::Duration;

use keystile_core::{Change, Job, Timestamp};
use keystile_measure::SPANS;
use keystile_store::{JobClaim, KeyFilter, KeyStep, Lease, Stepped};
use tracing::instrument;

use super::trouble::{Trouble, error_of};
use super::work::Work;
use super::{LEASE, LONGEST_PAUSE, MOST_ATTEMPTS, SHORTEST_PAUSE, STEP, kept_until, right};
use crate::keys::seen;
use crate::{Caller, Committed, ControlPlane, Origin, Refused};

impl ControlPlane {
    /// Waits until a job was made, or is to go on, since it last waited. For one who waits.
    pub async fn job_made(&self) {
        self.jobs_made.notified().await;
    }

    /// Takes up a job that is due, if there is one.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn claim_job(&self) -> Result<Option<JobClaim>, Refused> {
        Ok(self.store.claim_job(self.lease()).await?)
    }

    /// How long it is until a job may be taken up, if there is one that is not over.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn next_job_in(&self) -> Result<Option<Duration>, Refused> {
        let now = self.now().as_millis();
        let next_at = self.store.next_job_at().await?;
        let millis = next_at.map(|at| u64::try_from(at.as_millis().saturating_sub(now)).unwrap_or(0));
        Ok(millis.map(Duration::from_millis))
    }

    /// Lets all jobs be taken up on which an earlier process worked. For a server that has just got the right to serve.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn free_jobs(&self) -> Result<(), Refused> {
        Ok(self.store.free_jobs().await?)
    }

    /// Lets other jobs have their turn.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn release_job(&self, claim: &JobClaim) -> Result<(), Refused> {
        Ok(self.store.release_job(claim, self.now()).await?)
    }

    /// Does the next step of a job, as whoever asked for it. It does so once, however it ends; what it has changed must reach
    /// verification before the step counts.
    ///
    /// # Errors
    /// Why nothing was done, to be told to [`Self::stumble`]; in doubt whether it was, the next step finds out.
    #[instrument(target = SPANS, skip_all)]
    pub async fn step_job(&self, claim: &JobClaim) -> Result<Committed<Stepped>, Refused> {
        let job = &claim.job;
        let origin = Origin { ip: job.ip, request_id: job.request_id.clone() };
        let caller = self.enter_for(job.tenant_id, job.actor, origin).await?;
        caller.require(right(job.kind))?;
        match Work::of(job)? {
            Work::Import => self.step_import(claim, caller).await,
            Work::Export { filter } => self.step_export(claim, &caller, &filter).await,
            Work::Rotate { filter, overlap_seconds } => {
                self.step_rotate(claim, caller, &filter, Duration::from_secs(overlap_seconds)).await
            }
            work @ (Work::Revoke { .. } | Work::Disable { .. } | Work::Enable { .. }) => {
                self.step_change(claim, caller, work).await
            }
        }
    }

    /// Notes that a step was not done: the job goes on after a pause if that may help, or ends.
    ///
    /// # Errors
    /// When the store does not answer; the job is taken up again when its lease is over.
    #[instrument(target = SPANS, skip_all)]
    pub async fn stumble(&self, claim: &JobClaim, refused: &Refused) -> Result<(), Refused> {
        let (now, attempts) = (self.now(), claim.job.attempts.saturating_add(1));
        let error = error_of(refused);
        match Trouble::of(refused) {
            Trouble::Passing if attempts < MOST_ATTEMPTS => {
                let due_at = now.plus(self.pause(attempts)?);
                Ok(self.store.put_job_off(claim, attempts, due_at, error).await?)
            }
            Trouble::Passing | Trouble::Lasting => {
                let times = (now, kept_until(claim.job.kind, now));
                Ok(self.store.fail_job(claim, attempts, times, error).await?)
            }
        }
    }

    /// Twice as long as before the attempt before, less a random part of up to a half, so that jobs that stumbled together do not
    /// come back together.
    fn pause(&self, attempts: u32) -> Result<Duration, Refused> {
        let doubled = SHORTEST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        let whole = doubled.min(LONGEST_PAUSE);
        let mut random = [0; 1];
        self.entropy.fill(&mut random)?;
        Ok(whole - whole.mul_f64(f64::from(random[0]) / 512.0))
    }

    fn lease(&self) -> Lease {
        let now = self.now();
        Lease { now, until: now.plus(LEASE) }
    }

    /// The times of a step.
    pub(super) fn turn(&self, job: &Job) -> (Lease, Timestamp) {
        let lease = self.lease();
        (lease, kept_until(job.kind, lease.now))
    }

    /// The keys of the next step: of those that the job is about what the caller sees now.
    pub(super) fn key_step(
        &self,
        job: &Job,
        caller: &Caller,
        filter: &KeyFilter,
        successors: Successors,
    ) -> KeyStep {
        let (lease, kept_until) = self.turn(job);
        let filter = seen(caller, &KeyFilter { now: lease.now, ..filter.clone() });
        let most = u32::try_from(STEP).unwrap_or(u32::MAX);
        let successors_at = match successors {
            Successors::Matter => Some(lease.now),
            Successors::DoNotMatter => None,
        };
        KeyStep { filter, most, successors_at, lease, kept_until }
    }
}

/// Whether a step must know which keys have a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Successors {
    Matter,
    DoNotMatter,
}

/// A step that touches no key that verification knows.
pub(super) fn harmless(stepped: Stepped) -> Committed<Stepped> {
    Committed { value: stepped, change: Change::of([]) }
}
