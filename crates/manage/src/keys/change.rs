//! The one path on which an existing key is changed.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use keystile_core::{Action, ApiKey, Change, KeyId, TenantId, Timestamp};
use keystile_store::{Changed, StoreError};

use crate::audit::difference;
use crate::caller::Reach;
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
        let mut entry = self.entry(caller, action, id.to_string(), serde_json::Value::Null)?;
        let (actor, now) = (caller.actor, entry.at);
        let reach = caller.reach().cloned();
        let touched = Arc::new(OnceLock::new());
        let touches = Arc::clone(&touched);
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
            if *key == before {
                return Ok(None);
            }
            key.version += 1;
            key.updated_at = now;
            key.updated_by = actor;
            entry.changes = difference(&before, key);
            touches.get_or_init(|| change_of(&before, key));
            Ok(Some(entry))
        };
        let changed = self.store.change_key::<Refused>(caller.tenant_id, id, rewrite).await;
        if matches!(changed, Err(StoreError::InDoubt(_))) {
            self.wait_out(caller.tenant_id, id).await;
        }
        let concerned = || touched.get().cloned().unwrap_or_else(|| Change::of([]));
        let changed = changed.map_err(|error| Refused::from(error).concerning(concerned()))?;
        let Changed { before, after } = changed.ok_or(Refused::NotFound("API key"))??;
        Ok(Committed { change: change_of(&before, &after), value: after })
    }

    /// Waits for the end of a change of this key whose commit was lost: the row stays locked until the database has
    /// committed or undone it, and only then does a read tell which.
    pub(super) async fn wait_out(&self, tenant_id: TenantId, id: KeyId) {
        let nothing = |_: &mut ApiKey| Ok::<_, Infallible>(None);
        if let Err(error) = self.store.plain().change_key(tenant_id, id, nothing).await {
            tracing::warn!(error = &error as &dyn std::error::Error, key_id = %id, "a lost change may still happen");
        }
    }
}

fn change_of(before: &ApiKey, after: &ApiKey) -> Change {
    Change::of([before.secret.digest, after.secret.digest])
}

/// Whether the action can only make a key less useful. Whoever may change a key at all may do that, even to a key
/// that has more than they do.
const fn only_takes_away(action: Action) -> bool {
    matches!(action, Action::KeyDisable | Action::KeyBlock | Action::KeyRevoke | Action::KeyDelete)
}
