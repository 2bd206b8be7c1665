//! Writing down keys.

use keystile_core::job::MOST_RESULT_BYTES;
use keystile_core::{ApiKey, Job};
use keystile_store::{FoundKey, JobChunk, JobClaim, JobStep, KeyFilter, Stepped, pack_keys};

use super::run::{Successors, harmless};
use crate::{Caller, Committed, Conflict, ControlPlane, Refused};

impl ControlPlane {
    pub(super) async fn step_export(
        &self,
        claim: &JobClaim,
        caller: &Caller,
        filter: &KeyFilter,
    ) -> Result<Committed<Stepped>, Refused> {
        let step = self.key_step(&claim.job, caller, filter, Successors::DoNotMatter);
        let stepped = self.store.step_through_keys::<Refused>(claim, step, written).await?;
        stepped.map(harmless)
    }
}

/// The keys as they are, to be shown in whatever form is asked for later.
fn written(job: &Job, found: Vec<FoundKey>) -> Result<JobStep, Refused> {
    let keys: Vec<ApiKey> = found.into_iter().map(|found| found.key).collect();
    if keys.is_empty() {
        return Ok(JobStep::default());
    }
    let content = pack_keys(&keys).into_bytes();
    if job.result_bytes.saturating_add(content.len() as u64) > MOST_RESULT_BYTES {
        return Err(Refused::Conflict(Conflict::JobResultTooLarge));
    }
    let chunk = Some(JobChunk { content, sealed_by: None });
    Ok(JobStep { chunk, done: keys.len() as u64, ..JobStep::default() })
}
