//! Rotation: a key gets a successor, and lives on beside it for a while.

use std::time::Duration;

use keystile_core::key::SecretFacts;
use keystile_core::{Action, ApiKey, Change, KeyId, KeyStatus, Secret, Timestamp};
use keystile_measure::SPANS;
use keystile_store::{Rotated, Rotation};
use serde_json::{Value, json};
use tracing::instrument;

use super::change::VersionGuard;
use super::create::Issued;
use super::life::refuse_revoked;
use super::secret::Bearer;
use crate::audit::{describe, difference};
use crate::touched::Touched;
use crate::{Caller, Committed, Conflict, ControlPlane, Refused, Right};

impl ControlPlane {
    /// Makes a key with the same settings and lineage and a secret of its own. The old one lives on for `overlap`, or
    /// until its own end when that comes earlier; without any, it is revoked when this returns. It can be rotated again
    /// only when its successor has ended.
    ///
    /// # Errors
    /// For a stale version; for a key that has ended or has a successor that lives; for what a key as caller does not
    /// have itself; for a brought secret that is guessable or taken.
    #[instrument(target = SPANS, skip_all)]
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: KeyId,
        overlap: Duration,
        brought: Option<Secret>,
        guard: VersionGuard,
    ) -> Result<Committed<Issued>, Refused> {
        caller.require(Right::ManageKeys)?;
        let key = self.key(caller, id).await?;
        let secret = self.secret_for(caller.tenant_id, Bearer::of(&key), brought).await?;
        let (facts, next) = (SecretFacts::of(&secret), self.fresh(KeyId::from_parts)?);
        let mut ended = self.entry(caller, Action::KeyRotate, id.to_string(), Value::Null)?;
        let mut made = self.entry(caller, Action::KeyCreate, next.to_string(), Value::Null)?;
        let (actor, now, reach) = (caller.actor, ended.at, caller.reach().cloned());
        let touched = Touched::default();
        let touches = touched.clone();
        let rotate = move |key: &mut ApiKey, living: Option<KeyId>| {
            guard.enter(key, reach.as_ref())?;
            refuse_second(key, living, now)?;
            let mut successor = key.successor(next, facts, actor, now);
            successor.app_id = reach.as_ref().map(|reach| reach.application_id);
            if let Some(reach) = &reach {
                reach.covers(key)?;
                reach.covers(&successor)?;
            }
            let before = key.clone();
            key.give_way(overlap, now);
            key.version += 1;
            key.updated_at = now;
            key.updated_by = actor;
            ended.changes = difference(&before, key);
            ended.changes["successor"] = json!({ "before": null, "after": next });
            made.changes = Value::Object(describe(&successor));
            touches.note(change_of(&before, &successor));
            Ok(Rotation { successor, ended, made })
        };
        let rotated = self.store.rotate_key::<Refused>(caller.tenant_id, id, now, rotate).await;
        let Rotated { before, successor, .. } =
            touched.outcome(rotated)?.ok_or(Refused::NotFound("API key"))??;
        let change = change_of(&before, &successor);
        Ok(Committed { change, value: Issued { key: successor, secret } })
    }
}

/// A request that is repeated must not leave a second successor that nobody knows of.
pub(crate) fn refuse_second(key: &ApiKey, living: Option<KeyId>, now: Timestamp) -> Result<(), Refused> {
    match living {
        Some(successor) => Err(Refused::Conflict(Conflict::AlreadyRotated(successor))),
        None if key.status(now) == KeyStatus::Expired => Err(Refused::Conflict(Conflict::KeyExpired)),
        None => refuse_revoked(key),
    }
}

/// The new secret may have been asked for, in vain, before it was brought.
fn change_of(before: &ApiKey, successor: &ApiKey) -> Change {
    Change::of([before.secret.digest, successor.secret.digest])
}
