//! The one path on which an existing key is changed.

use keystile_core::{Action, ApiKey, Change, KeyId, Timestamp};

use crate::audit::difference;
use crate::{Caller, Committed, ControlPlane, Refused, Right};

/// The version a change was made for, if the caller says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionGuard(pub Option<i64>);

impl VersionGuard {
    fn check(self, current: i64) -> Result<(), Refused> {
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
        let mut entry = self.entry(caller, action, id.to_string(), serde_json::Value::Null)?;
        let (actor, now) = (caller.actor, entry.at);
        let reach = caller.reach().cloned();
        let rewrite = move |key: &mut ApiKey| {
            if key.deleted.is_some() || reach.as_ref().is_some_and(|reach| !reach.sees(key)) {
                return Err(Refused::NotFound("API key"));
            }
            guard.check(key.version)?;
            let before = key.clone();
            edit(key, now)?;
            if let Some(reach) = &reach
                && !only_takes_away(action)
            {
                reach.covers(&before)?;
                reach.covers(key)?;
            }
            if *key == before {
                return Ok(None);
            }
            key.version += 1;
            key.updated_at = now;
            key.updated_by = actor;
            entry.changes = difference(&before, key);
            Ok(Some(entry))
        };
        let changed = self.store.change_key(caller.tenant_id, id, rewrite).await?;
        let changed = changed.ok_or(Refused::NotFound("API key"))??;
        let change = Change::of([changed.before.secret.digest, changed.after.secret.digest]);
        Ok(Committed { value: changed.after, change })
    }
}

/// Whether the action can only make a key less useful. Whoever may change a key at all may do that, even to a key
/// that has more than they do.
const fn only_takes_away(action: Action) -> bool {
    matches!(action, Action::KeyDisable | Action::KeyBlock | Action::KeyRevoke | Action::KeyDelete)
}
