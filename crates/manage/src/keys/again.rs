//! Ending keys again that an older database does not know to have ended.

use keystile_core::{Action, Actor, ApiKey, AuditEntry, AuditId, KnownEnds, Timestamp};

use crate::audit::difference;

/// Brings the record of a key from an older database to the end that the key has had since. Gives what the audit log is told, under `id`, and
/// nothing when the key has no other end.
pub fn end_again(ends: &KnownEnds, key: &mut ApiKey, id: AuditId, now: Timestamp) -> Option<AuditEntry> {
    let before = key.clone();
    if !ends.end_again(key, now) {
        return None;
    }
    Some(AuditEntry {
        id,
        tenant_id: key.tenant_id,
        at: now,
        actor: Actor::System,
        action: action(&before, key),
        target: key.id.to_string(),
        ip: None,
        request_id: None,
        changes: difference(&before, key),
    })
}

/// The strongest of what was done.
const fn action(before: &ApiKey, after: &ApiKey) -> Action {
    if before.deleted.is_none() && after.deleted.is_some() {
        Action::KeyDelete
    } else if before.revoked.is_none() && after.revoked.is_some() {
        Action::KeyRevoke
    } else if before.blocked.is_none() && after.blocked.is_some() {
        Action::KeyBlock
    } else if before.enabled && !after.enabled {
        Action::KeyDisable
    } else {
        Action::KeyUpdate
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::journal::{JournalLine, KeyLine, Standing};
    use keystile_core::{ApplicationId, KeyId, Secret, TenantId};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(at(0), 1), TenantId::from_parts(at(0), 1));
        let (application, name) = (ApplicationId::from_parts(at(0), 1), "Web".parse().unwrap());
        ApiKey::new(id, tenant, application, name, &Secret::new("s".repeat(24)), Actor::System, at(0))
    }

    fn told(standing: Standing) -> Option<AuditEntry> {
        let (mut ends, mut key) = (KnownEnds::default(), key());
        let (tenant_id, key_id) = (key.tenant_id, key.id);
        ends.hear(&JournalLine::Key(KeyLine { tenant_id, key_id, version: 2, at: at(1), standing }));
        end_again(&ends, &mut key, AuditId::from_parts(at(9), 1), at(9))
    }

    #[test]
    fn the_log_is_told_what_was_done_by_its_strongest_name() {
        let ended = Standing { revoked_at: Some(at(1)), ..Standing::default() };
        for (standing, action) in [
            (ended, Action::KeyRevoke),
            (Standing { deleted_at: Some(at(1)), ..ended }, Action::KeyDelete),
            (Standing { blocked: true, disabled: true, ..Standing::default() }, Action::KeyBlock),
            (Standing { disabled: true, ..Standing::default() }, Action::KeyDisable),
            (Standing { expires_at: Some(at(1)), ..Standing::default() }, Action::KeyUpdate),
        ] {
            let entry = told(standing).unwrap();
            assert_eq!(
                (entry.action, entry.actor, entry.target),
                (action, Actor::System, key().id.to_string())
            );
            assert!(entry.changes.as_object().is_some_and(|changes| !changes.is_empty()), "{action:?}");
        }
        assert!(told(Standing::default()).is_none());
    }
}
