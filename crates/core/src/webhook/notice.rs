//! What becomes true of a key by time alone.

use std::time::Duration;

use super::WebhookEvent;
use crate::invalid::text_enum;
use crate::{ApiKey, KeyStatus, Timestamp};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Days before the end of a key at which it is told, the nearest first.
pub const EXPIRING_DAYS: [u16; 3] = [1, 7, 30];
/// Days without any use after which it is told, the longest first: those that the overview counts.
pub const UNUSED_DAYS: [u16; 2] = [90, 30];

text_enum!(
    /// What it is that became true.
    NoticeKind {
        /// The key ends soon.
        Expiring = "expiring",
        /// Its secret has grown old.
        RotationDue = "rotation_due",
        /// Nobody uses it.
        Unused = "unused",
    }
);

/// Something that became true of a key, to be told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// Since when it is true.
    pub at: Timestamp,
    /// How many days it is about: until the end, since the last use, or those that a secret may have.
    pub days: u16,
    /// Tells it apart from others of its kind: another end, secret or last use is another one, and so is another number of days.
    pub mark: String,
}

impl Notice {
    fn new(kind: NoticeKind, at: Timestamp, days: u16, of: Timestamp) -> Self {
        Self { kind, at, days, mark: format!("{}/{days}", of.as_millis()) }
    }

    /// What webhooks are told.
    pub const fn event(&self) -> WebhookEvent {
        match self.kind {
            NoticeKind::Expiring => WebhookEvent::KeyExpiring,
            NoticeKind::RotationDue => WebhookEvent::KeyRotationDue,
            NoticeKind::Unused => WebhookEvent::KeyUnused,
        }
    }
}

/// What there is to tell of a key at `now`, in a tenant whose secrets are rotated after `rotation_days`: of each kind the most
/// urgent. Of keys that cannot be used there is nothing to tell.
pub fn notices(key: &ApiKey, now: Timestamp, rotation_days: u16) -> Vec<Notice> {
    if key.status(now) != KeyStatus::Active {
        return Vec::new();
    }
    [expiring(key, now), rotation_due(key, now, rotation_days), unused(key, now)]
        .into_iter()
        .flatten()
        .collect()
}

/// A key whose whole life is shorter is not told of: whoever made it knows.
fn expiring(key: &ApiKey, now: Timestamp) -> Option<Notice> {
    let end = key.expires_at?;
    let notice = |days: u16| Notice::new(NoticeKind::Expiring, end.minus(DAY * u32::from(days)), days, end);
    EXPIRING_DAYS.into_iter().map(notice).find(|notice| notice.at <= now && notice.at > key.created_at)
}

fn rotation_due(key: &ApiKey, now: Timestamp, rotation_days: u16) -> Option<Notice> {
    let due = key.rotation_due_at(now, rotation_days).filter(|due| *due <= now)?;
    Some(Notice::new(NoticeKind::RotationDue, due, rotation_days, key.secret_created_at))
}

fn unused(key: &ApiKey, now: Timestamp) -> Option<Notice> {
    let since = key.last_used_at.unwrap_or(key.created_at);
    let notice = |days: u16| Notice::new(NoticeKind::Unused, since.plus(DAY * u32::from(days)), days, since);
    UNUSED_DAYS.into_iter().map(notice).find(|notice| notice.at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, ApplicationId, KeyId, Secret, TenantId};

    const MADE: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(days: u32) -> Timestamp {
        MADE.plus(DAY * days)
    }

    /// Made at [`MADE`], and used all the time.
    fn key(now: Timestamp) -> ApiKey {
        let secret = Secret::new("9f8e7d6c5b4a39281706f5e4");
        let (id, tenant, application) =
            (KeyId::from_u128(1), TenantId::from_u128(2), ApplicationId::from_u128(3));
        let key = ApiKey::new(id, tenant, application, "Web".parse().unwrap(), &secret, Actor::System, MADE);
        ApiKey { last_used_at: Some(now), ..key }
    }

    fn told(key: &ApiKey, now: Timestamp) -> Vec<(NoticeKind, u16)> {
        notices(key, now, 3_650).into_iter().map(|notice| (notice.kind, notice.days)).collect()
    }

    #[test]
    fn an_end_is_told_at_each_of_its_days() {
        for (day, days) in [(69, None), (70, Some(30)), (92, Some(30)), (93, Some(7)), (99, Some(1))] {
            let now = after(day);
            let ending = ApiKey { expires_at: Some(after(100)), ..key(now) };
            let expected: Vec<_> = days.map(|days| (NoticeKind::Expiring, days)).into_iter().collect();
            assert_eq!(told(&ending, now), expected, "{day}");
        }
        let over = ApiKey { expires_at: Some(after(100)), ..key(after(100)) };
        assert!(told(&over, after(100)).is_empty());
    }

    #[test]
    fn the_end_of_a_key_that_was_made_for_a_short_time_is_no_news() {
        let short = |days| ApiKey { expires_at: Some(after(days)), ..key(MADE) };
        assert!(told(&short(1), after(0)).is_empty());
        assert!(told(&short(5), after(1)).is_empty());
        assert_eq!(told(&short(5), after(4)), [(NoticeKind::Expiring, 1)]);
    }

    #[test]
    fn another_end_is_another_notice() {
        let now = after(99);
        let of = |end| notices(&ApiKey { expires_at: Some(end), ..key(now) }, now, 3_650).remove(0);
        let (one, other) = (of(after(100)), of(after(105)));
        assert_eq!((one.days, other.days), (1, 7));
        assert_ne!(one.mark, other.mark);
        assert_ne!(of(after(100)).mark, of(after(100).minus(Duration::from_secs(1))).mark);
        assert_eq!((one.at, one.event()), (after(99), WebhookEvent::KeyExpiring));
    }

    #[test]
    fn a_secret_that_has_grown_old_is_told_once() {
        let due = |now| notices(&key(now), now, 90);
        assert!(due(after(89)).is_empty());
        let notice = due(after(90)).remove(0);
        assert_eq!((notice.kind, notice.at, notice.days), (NoticeKind::RotationDue, after(90), 90));
        assert_eq!(due(after(200)), [notice]);
    }

    #[test]
    fn a_key_that_nobody_uses_is_told_after_a_month_and_a_quarter() {
        let unused = |day| told(&ApiKey { last_used_at: None, ..key(MADE) }, after(day));
        assert!(unused(29).is_empty());
        assert_eq!(unused(30), [(NoticeKind::Unused, 30)]);
        assert_eq!(unused(90), [(NoticeKind::Unused, 90)]);
        let off = ApiKey { enabled: false, last_used_at: None, ..key(MADE) };
        assert!(told(&off, after(90)).is_empty());
    }
}
