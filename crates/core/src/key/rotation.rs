//! Rotation: a key that follows another, and when that is due.

use std::time::Duration;

use crate::key::SecretFacts;
use crate::{Actor, ApiKey, KeyId, KeyStatus, Timestamp};

/// Longest that a rotated key lives on beside its successor: 30 days.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * DAY);

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

    /// Lets the key live until `end`, unless its time is over before.
    pub fn end_by(&mut self, end: Timestamp) {
        self.expires_at = Some(self.expires_at.map_or(end, |own| own.min(end)));
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
        let ended_by = |own: Option<Timestamp>, end| {
            let mut key = ApiKey { expires_at: own, ..key() };
            key.end_by(end);
            key.expires_at
        };
        assert_eq!(ended_by(None, at(60)), Some(at(60)));
        assert_eq!(ended_by(Some(at(30)), at(60)), Some(at(30)));
        assert_eq!(ended_by(Some(at(90)), at(60)), Some(at(60)));
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
