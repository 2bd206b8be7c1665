//! The one path on which an existing key is changed.

use keystile_core::journal::Standing;
use keystile_core::{Action, ApiKey, AuditEntry, Change, KeyId, Timestamp};
use keystile_store::Changed;

use crate::audit::difference;
use crate::caller::Reach;
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Refused, Right};

/// The version a change was made for, if the caller says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionGuard(pub Option<i64>);

impl VersionGuard {
    /// Goes on with a key that is there for whoever reaches so far, and at the version that is meant.
    pub(super) fn enter(self, key: &ApiKey, reach: Option<&Reach>) -> Result<(), Refused> {
        if key.deleted.is_some() || reach.is_some_and(|reach| !reach.sees(key)) {
            return Err(Refused::NotFound("API key"));
        }
        self.check(key.version)
    }

    /// Goes on with a record at the version that is meant.
    pub(crate) fn check(self, current: i64) -> Result<(), Refused> {
        match self.0 {
            Some(expected) if expected != current => Err(Refused::VersionConflict { current }),
            _ => Ok(()),
        }
    }
}

impl ControlPlane {
    /// Reads the key, lets `edit` decide, and writes key and audit entry, in one transaction. An edit that
    /// leaves the key as it was writes nothing.
    pub(super) async fn change_key(
        &self,
        caller: &Caller,
        id: KeyId,
        action: Action,
        guard: VersionGuard,
        edit: impl FnOnce(&mut ApiKey, Timestamp) -> Result<(), Refused> + Send + 'static,
    ) -> Result<Committed<ApiKey>, Refused> {
        caller.require(Right::ManageKeys)?;
        let entry = self.entry(caller, action, id.to_string(), serde_json::Value::Null)?;
        let now = entry.at;
        let reach = caller.reach().cloned();
        let touched = Touched::default();
        let touches = touched.clone();
        let rewrite = move |key: &mut ApiKey| {
            guard.enter(key, reach.as_ref())?;
            let before = key.clone();
            edit(key, now)?;
            if let Some(reach) = &reach
                && !only_takes_away(action)
            {
                reach.covers(&before)?;
                reach.covers(key)?;
            }
            Ok(noted(&before, key, entry, &touches))
        };
        let changed = self.store.change_key::<Refused>(caller.tenant_id, id, rewrite).await;
        let Changed { before, after } = touched.outcome(changed)?.ok_or(Refused::NotFound("API key"))??;
        Ok(Committed { change: change_of(&before, &after), value: after })
    }
}

/// Takes note of an edit, in the record itself and for the log; of none if the key is as it was.
pub(crate) fn noted(
    before: &ApiKey,
    key: &mut ApiKey,
    mut entry: AuditEntry,
    touches: &Touched,
) -> Option<AuditEntry> {
    if key == before {
        return None;
    }
    key.version += 1;
    key.updated_at = entry.at;
    key.updated_by = entry.actor;
    entry.changes = difference(before, key);
    touches.note(change_of(before, key));
    Some(entry)
}

pub(super) fn change_of(before: &ApiKey, after: &ApiKey) -> Change {
    let change = Change::of([before.secret.digest, after.secret.digest]);
    if leaves_good(before, after) { change.ending_nothing() } else { change }
}

/// Whether the key stood as a new one does, and does so still, with the same secret. Of one that stands otherwise, the journal may still lack
/// why: whoever ends a key once more is answered when it does not.
fn leaves_good(before: &ApiKey, after: &ApiKey) -> bool {
    let good = Standing::default();
    before.secret.digest == after.secret.digest && Standing::of(before) == good && Standing::of(after) == good
}

/// Whether the action can only make a key less useful. Whoever may change a key at all may do that, even to a key
/// that has more than they do.
const fn only_takes_away(action: Action) -> bool {
    matches!(action, Action::KeyDisable | Action::KeyBlock | Action::KeyRevoke | Action::KeyDelete)
}

#[cfg(test)]
mod tests {
    use keystile_core::key::{Revocation, SecretFacts};
    use keystile_core::{Actor, ApplicationId, Secret, TenantId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(NOW, 1), TenantId::from_parts(NOW, 1));
        let (application, name) = (ApplicationId::from_parts(NOW, 1), "Web".parse().unwrap());
        ApiKey::new(id, tenant, application, name, &Secret::new("s".repeat(24)), Actor::System, NOW)
    }

    #[test]
    fn a_new_name_ends_no_key_and_whatever_touches_its_use_may() {
        let (before, revoked) = (key(), Some(Revocation { at: NOW, reason: None }));
        let renamed = ApiKey { name: "Shop".parse().unwrap(), ..key() };
        assert!(!change_of(&before, &renamed).may_end_keys());
        let other = SecretFacts::of(&Secret::new("t".repeat(24)));
        for after in [
            ApiKey { revoked: revoked.clone(), ..key() },
            ApiKey { expires_at: Some(NOW), ..key() },
            ApiKey { enabled: false, ..key() },
            ApiKey { blocked: Some("unpaid".to_owned()), ..key() },
            ApiKey { secret: other, ..key() },
        ] {
            assert!(change_of(&before, &after).may_end_keys());
            assert!(change_of(&after, &before).may_end_keys());
        }
        let ended = ApiKey { revoked, ..key() };
        assert!(change_of(&ended, &ended).may_end_keys(), "nobody knows whether the first attempt was told");
    }
}
