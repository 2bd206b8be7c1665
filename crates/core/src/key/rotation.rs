//! Rotation: a key that follows another, and when that is due.

use std::time::Duration;

use crate::key::{Revocation, SecretFacts};
use crate::{Actor, ApiKey, KeyId, KeyStatus, Timestamp};

/// Longest that a rotated key lives on beside its successor: 30 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * DAY);

/// Why a key was revoked that gave way at once.
const ROTATED: &str = "rotated";

const DAY: u64 = 24 * 60 * 60;

impl ApiKey {
    /// The key that follows this one: of the same lineage and with the same settings, its end included, but with an
    /// id, a secret and a history of its own.
    #[must_use]
    pub fn successor(&self, id: KeyId, secret: SecretFacts, by: Actor, at: Timestamp) -> Self {
        Self {
            id,
            secret,
            secret_created_at: at,
            rotated_from_key_id: Some(self.id),
            last_used_at: None,
            last_used_ip: None,
            created_by: by,
            updated_by: by,
            created_at: at,
            updated_at: at,
            version: 1,
            schema_version: Self::SCHEMA_VERSION,
            ..self.clone()
        }
    }

    /// Lets the key live on for `overlap` beside its successor, unless its time is over before. Without any it is revoked,
    /// which no clock that is set back can undo.
    pub fn give_way(&mut self, overlap: Duration, now: Timestamp) {
        if overlap.is_zero() {
            self.revoked.get_or_insert(Revocation { at: now, reason: Some(ROTATED.to_owned()) });
        } else {
            let end = now.plus(overlap);
            self.expires_at = Some(self.expires_at.map_or(end, |own| own.min(end)));
        }
    }

    /// When the present secret is `rotation_days` old; nothing for a key that has ended.
    pub fn rotation_due_at(&self, now: Timestamp, rotation_days: u16) -> Option<Timestamp> {
        match self.status(now) {
            KeyStatus::Active | KeyStatus::Inactive => {
                Some(self.secret_created_at.plus(Duration::from_secs(u64::from(rotation_days) * DAY)))
            }
            KeyStatus::Revoked | KeyStatus::Expired => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApplicationId, Secret, TenantId};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + 1000 * seconds)
    }

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(at(0), 1), TenantId::from_parts(at(0), 1));
        let application = ApplicationId::from_parts(at(0), 1);
        let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
        ApiKey::new(id, tenant, application, "web".parse().unwrap(), &secret, Actor::System, at(0))
    }

    #[test]
    fn an_overlap_never_makes_a_key_live_longer() {
        let ended_by = |own: Option<Timestamp>| {
            let mut key = ApiKey { expires_at: own, ..key() };
            key.give_way(Duration::from_secs(60), at(0));
            assert_eq!(key.revoked, None);
            key.expires_at
        };
        assert_eq!(ended_by(None), Some(at(60)));
        assert_eq!(ended_by(Some(at(30))), Some(at(30)));
        assert_eq!(ended_by(Some(at(90))), Some(at(60)));
    }

    #[test]
    fn without_an_overlap_a_key_is_revoked_whatever_the_clock_says() {
        let mut key = key();
        key.give_way(Duration::ZERO, at(60));
        assert_eq!(key.status(at(0)), KeyStatus::Revoked);
        assert_eq!(key.revoked, Some(Revocation { at: at(60), reason: Some("rotated".to_owned()) }));
        assert_eq!(key.expires_at, None);
    }

    #[test]
    fn rotation_is_due_by_the_age_of_the_secret_while_the_key_lives() {
        let day = 24 * 60 * 60;
        let key = ApiKey { secret_created_at: at(5), ..key() };
        assert_eq!(key.rotation_due_at(at(0), 2), Some(at(5 + 2 * day)));
        let disabled = ApiKey { enabled: false, ..key.clone() };
        assert_eq!(disabled.rotation_due_at(at(0), 0), Some(at(5)));
        let over = ApiKey { expires_at: Some(at(1)), ..key.clone() };
        assert_eq!(over.rotation_due_at(at(1), 2), None);
        let next = key.successor(KeyId::from_parts(at(9), 2), key.secret.clone(), Actor::System, at(9));
        assert_eq!((next.lineage_id, next.rotated_from_key_id), (key.id, Some(key.id)));
        assert_eq!(next.rotation_due_at(at(9), 1), Some(at(9 + day)));
    }
}
