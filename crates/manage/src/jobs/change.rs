//! Ending keys, and switching them off and on.

use keystile_core::key::Revocation;
use keystile_core::{Action, Actor, ApiKey, Change, Job, Timestamp};
use keystile_store::{ChangedKey, FoundKey, JobClaim, JobStep, KeyFilter, Stepped};
use serde_json::{Value, json};

use super::run::Successors;
use super::trouble::problem_of;
use super::work::Work;
use crate::keys::{noted, refuse_revoked};
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Lacking, Refused};

/// What is done to each key.
#[derive(Debug, Clone)]
enum Edit {
    Revoke(Option<String>),
    Disable,
    Enable,
}

impl Edit {
    const fn action(&self) -> Action {
        match self {
            Self::Revoke(_) => Action::KeyRevoke,
            Self::Disable => Action::KeyDisable,
            Self::Enable => Action::KeyEnable,
        }
    }

    fn apply(&self, key: &mut ApiKey, now: Timestamp) -> Result<(), Refused> {
        match self {
            Self::Revoke(reason) => {
                key.revoked.get_or_insert_with(|| Revocation { at: now, reason: reason.clone() });
                return Ok(());
            }
            Self::Disable => {
                refuse_revoked(key)?;
                key.enabled = false;
            }
            Self::Enable => {
                refuse_revoked(key)?;
                key.enabled = true;
            }
        }
        Ok(())
    }
}

impl ControlPlane {
    pub(super) async fn step_change(
        &self,
        claim: &JobClaim,
        caller: Caller,
        work: Work,
    ) -> Result<Committed<Stepped>, Refused> {
        let (edit, filter): (Edit, KeyFilter) = match work {
            Work::Revoke { filter, reason } => (Edit::Revoke(reason), filter),
            Work::Disable { filter } => (Edit::Disable, filter),
            Work::Enable { filter } => (Edit::Enable, filter),
            Work::Import | Work::Export { .. } | Work::Rotate { .. } => {
                return Err(Refused::Internal("a job is not about changing keys".to_owned()));
            }
        };
        let step = self.key_step(&claim.job, &caller, &filter, Successors::DoNotMatter);
        let touched = Touched::default();
        let (touches, control) = (touched.clone(), self.clone());
        let decide = move |job: &Job, found: Vec<FoundKey>| {
            let mut step = JobStep::default();
            for FoundKey { key, .. } in found {
                let id = key.id;
                match control.edited(&caller, job, key, &edit)? {
                    Ok(None) => step.done += 1,
                    Ok(Some(changed)) => {
                        step.done += 1;
                        step.changed.push(changed);
                    }
                    Err(refused) => step.problems.push(problem_of(id.to_string(), &refused)),
                }
            }
            let digests = step.changed.iter().map(|changed| changed.after.secret.digest);
            touches.note(Change::of(digests));
            Ok(step)
        };
        let stepped = self.store.step_through_keys::<Refused>(claim, step, decide).await;
        let stepped = touched.outcome(stepped)??;
        Ok(Committed { value: stepped, change: touched.noted() })
    }

    /// A key as it is to be, nothing if it is so already, or why that is refused. Fails where no entry can be made.
    fn edited(
        &self,
        caller: &Caller,
        job: &Job,
        before: ApiKey,
        edit: &Edit,
    ) -> Result<Result<Option<ChangedKey>, Refused>, Refused> {
        let entry = self.entry(caller, edit.action(), before.id.to_string(), Value::Null)?;
        let mut after = before.clone();
        let allowed = edit.apply(&mut after, entry.at).and_then(|()| permitted(caller, &before, edit));
        if let Err(refused) = allowed {
            return Ok(Err(refused));
        }
        let Some(mut entry) = noted(&before, &mut after, entry, &Touched::default()) else {
            return Ok(Ok(None));
        };
        entry.changes["job"] = json!({ "before": null, "after": job.id });
        Ok(Ok(Some(ChangedKey { before, after, entry })))
    }
}

/// A key as caller could not go on with a job that has ended it; and it switches on only what it could give.
fn permitted(caller: &Caller, key: &ApiKey, edit: &Edit) -> Result<(), Refused> {
    let Some(reach) = caller.reach() else { return Ok(()) };
    match edit {
        Edit::Enable => reach.covers(key),
        Edit::Revoke(_) | Edit::Disable if caller.actor == Actor::Key(key.id) => {
            Err(Refused::Forbidden(Lacking::OverItself))
        }
        Edit::Revoke(_) | Edit::Disable => Ok(()),
    }
}
