//! Taking keys over, as many at a time as one step handles.

use keystile_core::{Action, ApiKey, AuditEntry, Change, Invalid, Job, KeyId, Timestamp};
use keystile_store::{Held, JobChunk, JobClaim, JobStep, Stepped};
use serde_json::{Value, json};

use super::trouble::problem_of;
use crate::audit::describe;
use crate::keys::settings;
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Refused};

/// What became of a key.
enum Taken {
    There(Box<ApiKey>),
    Made(Box<(ApiKey, AuditEntry)>),
}

impl ControlPlane {
    /// The secrets may have been asked for, in vain, before they are imported.
    pub(super) async fn step_import(
        &self,
        claim: &JobClaim,
        caller: Caller,
    ) -> Result<Committed<Stepped>, Refused> {
        let turn = self.turn(&claim.job);
        let touched = Touched::default();
        let (touches, control) = (touched.clone(), self.clone());
        let decide = move |job: &Job, wanted: Vec<ApiKey>, held: &Held| {
            touches.note(Change::of_new(wanted.iter().map(|key| key.secret.digest)));
            let (mut step, mut lines) = (JobStep::default(), String::new());
            for (key, index) in wanted.into_iter().zip(job.seen()..) {
                let line = match control.taken(&caller, job, key, held)? {
                    Ok(taken) => {
                        step.done += 1;
                        told(taken, index, control.now(), &mut step)
                    }
                    Err(refused) => {
                        let problem = problem_of(format!("keys[{index}]"), &refused);
                        let error = json!({ "code": problem.code, "detail": problem.detail });
                        step.problems.push(problem);
                        json!({ "index": index, "error": error })
                    }
                };
                lines.push_str(&line.to_string());
                lines.push('\n');
            }
            if !lines.is_empty() {
                step.chunk = Some(JobChunk { content: lines.into_bytes(), sealed_by: None });
            }
            Ok(step)
        };
        let stepped = self.store.step_through_import::<Refused>(claim, turn, decide).await;
        let stepped = touched.outcome(stepped)??;
        Ok(Committed { value: stepped, change: touched.noted() })
    }

    /// A key that is made now, or is there already with the same settings; or why it cannot be taken over. Fails where no id
    /// can be made.
    fn taken(
        &self,
        caller: &Caller,
        job: &Job,
        mut key: ApiKey,
        held: &Held,
    ) -> Result<Result<Taken, Refused>, Refused> {
        let hash = |rule: String| Refused::HashesTaken(vec![Invalid::new("hash", rule)]);
        match held.own.get(&key.secret.digest) {
            Some(there) if settings(there) == settings(&key) => {
                return Ok(Ok(Taken::There(Box::new(there.clone()))));
            }
            Some(there) => {
                return Ok(Err(hash(format!("is that of {}, which has other settings", there.id))));
            }
            None if held.taken.contains(&key.secret.digest) => {
                return Ok(Err(hash("is or was that of another key".to_owned())));
            }
            None => {}
        }
        if let Err(refused) = caller.reach().map_or(Ok(()), |reach| reach.covers(&key)) {
            return Ok(Err(refused));
        }
        // It is made now: jobs that were made before do not come upon it.
        let (id, now) = (self.fresh(KeyId::from_parts)?, self.now());
        (key.id, key.lineage_id) = (id, id);
        (key.created_at, key.updated_at, key.secret_created_at) = (now, now, now);
        let mut changes = describe(&key);
        changes.insert("job".to_owned(), json!(job.id));
        let entry = self.entry(caller, Action::KeyImport, id.to_string(), Value::Object(changes))?;
        Ok(Ok(Taken::Made(Box::new((key, entry)))))
    }
}

/// Adds what was made to the step, and says what the result tells of it.
fn told(taken: Taken, index: u64, now: Timestamp, step: &mut JobStep) -> Value {
    let (key, is_new) = match &taken {
        Taken::There(key) => (&**key, false),
        Taken::Made(made) => (&made.0, true),
    };
    let line = json!({ "index": index, "id": key.id, "status": key.status(now), "created": is_new });
    if let Taken::Made(made) = taken {
        step.made.push(*made);
    }
    line
}
