//! Keys whose secret was seen where it does not belong, and what becomes of them.

use crate::invalid::text_enum;
use crate::key::{KeyStatus, Revocation};
use crate::{Action, ApiKey, KeyId, LeakId, TenantId, Timestamp};

/// Why a key is blocked or revoked that was reported as leaked.
pub const REASON: &str = "leaked";
/// Longest reason of a block, in characters, as forms and requests take it.
const REASON_MAX_CHARS: usize = 200;
/// Most reports that are kept of one key. Whoever reports one again and again fills neither the table nor the log.
pub const MOST_REPORTS: u64 = 100;
/// Longest description of the place where a key was seen, in characters: longer than any usual URL.
pub const PLACE_MAX_CHARS: usize = 1_000;

text_enum!(
    /// What a tenant wants done with keys that are reported as leaked.
    OnLeak {
        /// Nothing but telling of it; the default, as whoever uses the key would notice anything else.
        Notify = "notify",
        /// Bar them until somebody has looked.
        Block = "block",
        /// End them for good.
        Revoke = "revoke",
    }
);

text_enum!(
    /// Who told that a key leaked.
    LeakSource {
        /// Anybody, who held its secret.
        Report = "report",
        /// GitHub's secret scanning.
        Github = "github",
    }
);

text_enum!(
    /// What was done about a key that leaked.
    LeakDeed {
        /// It was told of.
        Notified = "notified",
        /// The key was blocked.
        Blocked = "blocked",
        /// The key was revoked.
        Revoked = "revoked",
        /// Nothing was left to be done: the secret opened nothing any more.
        Nothing = "nothing",
    }
);

impl LeakDeed {
    /// What the log calls the change of the key, if there was one.
    pub const fn action(self) -> Option<Action> {
        match self {
            Self::Blocked => Some(Action::KeyBlock),
            Self::Revoked => Some(Action::KeyRevoke),
            Self::Notified | Self::Nothing => None,
        }
    }
}

text_enum!(
    /// What a secret that was found somewhere opens.
    LeakState {
        /// The key works: act at once.
        Live = "live",
        /// The key was revoked or deleted.
        Revoked = "revoked",
        /// The key's time is over.
        Expired = "expired",
        /// The key is barred, until somebody unblocks it.
        Blocked = "blocked",
        /// The key is switched off, until somebody enables it.
        Disabled = "disabled",
        /// The key has another secret by now.
        Replaced = "replaced",
        /// No key of the tenant has, or had, this secret.
        Unknown = "unknown",
    }
);

impl LeakState {
    /// What the present secret of `key` opens at `now`. What cannot be undone is told before what can.
    pub fn of(key: &ApiKey, now: Timestamp) -> Self {
        match key.status(now) {
            KeyStatus::Revoked => Self::Revoked,
            KeyStatus::Expired => Self::Expired,
            KeyStatus::Active | KeyStatus::Inactive if key.blocked.is_some() => Self::Blocked,
            KeyStatus::Inactive => Self::Disabled,
            KeyStatus::Active => Self::Live,
        }
    }
}

/// That a key leaked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakReport {
    /// Which one.
    pub id: LeakId,
    /// The key's tenant.
    pub tenant_id: TenantId,
    /// The key.
    pub key_id: KeyId,
    /// When it was told.
    pub reported_at: Timestamp,
    /// Who told it.
    pub source: LeakSource,
    /// Where it was seen, in the words of who told it: a URL, mostly.
    pub place: Option<String>,
    /// What was done about it.
    pub done: LeakDeed,
}

/// Does to a key whose present secret leaked what its tenant wants done, and says what that was. An expired key is not
/// spared: its end could be moved. Of a key that is blocked for another reason the block tells of the leak as well, so that
/// nobody who has no such reason any more lets a leaked key free.
pub fn respond(key: &mut ApiKey, wanted: OnLeak, now: Timestamp) -> LeakDeed {
    if key.revoked.is_some() || key.deleted.is_some() {
        return LeakDeed::Nothing;
    }
    match wanted {
        OnLeak::Notify => LeakDeed::Notified,
        OnLeak::Block => block(key),
        OnLeak::Revoke => {
            key.revoked = Some(Revocation { at: now, reason: Some(REASON.to_owned()) });
            LeakDeed::Revoked
        }
    }
}

fn block(key: &mut ApiKey) -> LeakDeed {
    let reason = match key.blocked.as_deref() {
        None => REASON.to_owned(),
        Some(reason) if tells_of_a_leak(reason) => return LeakDeed::Nothing,
        Some(reason) => with_leak(reason),
    };
    key.blocked = Some(reason);
    LeakDeed::Blocked
}

fn tells_of_a_leak(reason: &str) -> bool {
    reason.strip_prefix(REASON).is_some_and(|rest| rest.is_empty() || rest.starts_with(';'))
}

/// That a key leaked, before what it was blocked for already, which is cut where there is no room for it.
fn with_leak(reason: &str) -> String {
    let whole = format!("{REASON}; blocked before: {reason}");
    if whole.chars().count() <= REASON_MAX_CHARS {
        return whole;
    }
    whole.chars().take(REASON_MAX_CHARS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, ApplicationId, Secret};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn key() -> ApiKey {
        let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
        ApiKey::new(
            KeyId::from_u128(1),
            TenantId::from_u128(2),
            ApplicationId::from_u128(3),
            "Web".parse().unwrap(),
            &secret,
            Actor::System,
            NOW,
        )
    }

    fn revoked() -> ApiKey {
        ApiKey { revoked: Some(Revocation { at: NOW, reason: None }), ..key() }
    }

    #[test]
    fn a_leaked_key_is_treated_as_its_tenant_wants() {
        for (wanted, done, state) in [
            (OnLeak::Notify, LeakDeed::Notified, LeakState::Live),
            (OnLeak::Block, LeakDeed::Blocked, LeakState::Blocked),
            (OnLeak::Revoke, LeakDeed::Revoked, LeakState::Revoked),
        ] {
            let expired = ApiKey { expires_at: Some(NOW), ..key() };
            let when_expired = if state == LeakState::Revoked { state } else { LeakState::Expired };
            for (mut key, state) in [(key(), state), (expired, when_expired)] {
                assert_eq!(respond(&mut key, wanted, NOW), done);
                assert_eq!(LeakState::of(&key, NOW), state);
                let reasons = [key.blocked, key.revoked.and_then(|end| end.reason)];
                let is_told = reasons.iter().flatten().all(|reason| reason == REASON);
                assert!(is_told && reasons.iter().flatten().count() == usize::from(done.action().is_some()));
            }
        }
    }

    #[test]
    fn what_is_over_stays_as_it_is() {
        let blocked = ApiKey { blocked: Some("leaked; blocked before: billing".to_owned()), ..key() };
        let deleted = ApiKey { deleted: Some((NOW, Actor::System)), ..key() };
        for (before, wanted) in [
            (revoked(), OnLeak::Notify),
            (revoked(), OnLeak::Block),
            (revoked(), OnLeak::Revoke),
            (deleted, OnLeak::Revoke),
            (blocked.clone(), OnLeak::Block),
        ] {
            let mut after = before.clone();
            assert_eq!(respond(&mut after, wanted, NOW), LeakDeed::Nothing);
            assert_eq!(after, before);
        }
        let mut ended = blocked;
        assert_eq!(respond(&mut ended, OnLeak::Revoke, NOW), LeakDeed::Revoked);
    }

    #[test]
    fn a_block_for_another_reason_tells_of_the_leak_as_well_once() {
        let respond = |key: &mut ApiKey| respond(key, OnLeak::Block, NOW);
        let mut leaked = ApiKey { blocked: Some(REASON.to_owned()), ..key() };
        assert_eq!(respond(&mut leaked), LeakDeed::Nothing);
        for (before, after) in [
            ("invoice 2117", "leaked; blocked before: invoice 2117".to_owned()),
            ("leaked keys of others", "leaked; blocked before: leaked keys of others".to_owned()),
            (&"ä".repeat(200), format!("leaked; blocked before: {}…", "ä".repeat(175))),
        ] {
            let mut key = ApiKey { blocked: Some(before.to_owned()), ..key() };
            assert_eq!((respond(&mut key), respond(&mut key)), (LeakDeed::Blocked, LeakDeed::Nothing));
            assert_eq!(key.blocked.as_deref(), Some(after.as_str()));
            assert!(after.chars().count() <= REASON_MAX_CHARS);
        }
        let mut unasked = ApiKey { blocked: Some("invoice 2117".to_owned()), ..key() };
        assert_eq!(super::respond(&mut unasked, OnLeak::Notify, NOW), LeakDeed::Notified);
        assert_eq!(unasked.blocked.as_deref(), Some("invoice 2117"));
    }

    #[test]
    fn a_state_that_lasts_is_told_before_one_that_can_be_undone() {
        let state = |key: &ApiKey| LeakState::of(key, NOW);
        let off = ApiKey { enabled: false, ..key() };
        assert_eq!((state(&key()), state(&off)), (LeakState::Live, LeakState::Disabled));
        let blocked = ApiKey { blocked: Some("abuse".to_owned()), ..off };
        assert_eq!(state(&blocked), LeakState::Blocked);
        let expired = ApiKey { expires_at: Some(NOW), ..blocked };
        assert_eq!(state(&expired), LeakState::Expired);
        let deleted = ApiKey { deleted: Some((NOW, Actor::System)), ..expired };
        assert_eq!((state(&deleted), state(&revoked())), (LeakState::Revoked, LeakState::Revoked));
    }
}
