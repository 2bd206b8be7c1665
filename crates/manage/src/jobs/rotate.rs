//! Giving keys successors, whose secrets are sealed until whoever asked takes them.

use std::time::Duration;

use keystile_core::key::{SecretFacts, mint};
use keystile_core::{Action, Change, Job, KeyId, KeyLabel, Secret, Timestamp};
use keystile_store::{ChangedKey, FoundKey, JobChunk, JobClaim, JobStep, KeyFilter, Stepped};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context;
use super::result::MadeSecret;
use super::run::Successors;
use super::trouble::problem_of;
use crate::audit::{describe, difference};
use crate::keys::refuse_second;
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Refused};

/// How keys are rotated.
struct Rotating {
    control: ControlPlane,
    caller: Caller,
    label: KeyLabel,
    overlap: Duration,
    now: Timestamp,
}

impl ControlPlane {
    pub(super) async fn step_rotate(
        &self,
        claim: &JobClaim,
        caller: Caller,
        filter: &KeyFilter,
        overlap: Duration,
    ) -> Result<Committed<Stepped>, Refused> {
        let tenant = self.store.tenant(caller.tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        let step = self.key_step(&claim.job, &caller, filter, Successors::Matter);
        let touched = Touched::default();
        let touches = touched.clone();
        let label = tenant.key_label;
        let rotating = Rotating { control: self.clone(), caller, label, overlap, now: step.lease.now };
        let decide = move |job: &Job, found: Vec<FoundKey>| {
            let (mut step, mut lines) = (JobStep::default(), Zeroizing::new(String::new()));
            for found in found {
                let id = found.key.id;
                match rotating.rotated(job, found, &mut step)? {
                    Ok(line) => line.append_to(&mut lines),
                    Err(refused) => step.problems.push(problem_of(id.to_string(), &refused)),
                }
            }
            if !lines.is_empty() {
                let control = &rotating.control;
                let sealed = control.vault.seal(control.entropy.as_ref(), &context(job), lines.as_bytes())?;
                step.chunk = Some(JobChunk { content: sealed.bytes, sealed_by: Some(sealed.by) });
            }
            let before = step.changed.iter().map(|changed| changed.before.secret.digest);
            touches.note(Change::of(before.chain(step.made.iter().map(|(key, _)| key.secret.digest))));
            Ok(step)
        };
        let stepped = self.store.step_through_keys::<Refused>(claim, step, decide).await;
        let stepped = touched.outcome(stepped)??;
        Ok(Committed { value: stepped, change: touched.noted() })
    }
}

impl Rotating {
    /// Adds the end of a key and its successor to a step, and gives the secret; or says why that is refused. Fails where no
    /// secret can be made.
    fn rotated(
        &self,
        job: &Job,
        found: FoundKey,
        step: &mut JobStep,
    ) -> Result<Result<MadeSecret, Refused>, Refused> {
        let Self { control, caller, label, overlap, now } = self;
        let FoundKey { key: before, successor } = found;
        let mut random = Zeroizing::new([0; 32]);
        control.entropy.fill(random.as_mut())?;
        let secret: Secret = mint(label, before.environment, &random);
        let next = control.fresh(KeyId::from_parts)?;
        let mut made = before.successor(next, SecretFacts::of(&secret), caller.actor, *now);
        made.app_id = caller.reach().map(|reach| reach.application_id);
        let reach = caller.reach();
        let allowed = refuse_second(&before, successor, *now)
            .and_then(|()| reach.map_or(Ok(()), |reach| reach.covers(&before)))
            .and_then(|()| reach.map_or(Ok(()), |reach| reach.covers(&made)));
        if let Err(refused) = allowed {
            return Ok(Err(refused));
        }
        let mut after = before.clone();
        after.give_way(*overlap, *now);
        after.version += 1;
        after.updated_at = *now;
        after.updated_by = caller.actor;
        let mut entry = control.entry(caller, Action::KeyRotate, before.id.to_string(), Value::Null)?;
        entry.changes = difference(&before, &after);
        entry.changes["successor"] = json!({ "before": null, "after": next });
        entry.changes["job"] = json!({ "before": null, "after": job.id });
        let mut made_entry = control.entry(caller, Action::KeyCreate, next.to_string(), Value::Null)?;
        made_entry.changes = Value::Object(describe(&made));
        made_entry.changes["job"] = json!(job.id);
        let line = MadeSecret { key_id: before.id, successor_id: next, name: made.name.clone(), secret };
        step.done += 1;
        step.changed.push(ChangedKey { before, after, entry });
        step.made.push((made, made_entry));
        Ok(Ok(line))
    }
}
