//! What a journal says of keys, put together.

use std::collections::HashMap;

use super::{JournalLine, KeyLine, Standing, replaced_secret};
use crate::key::Revocation;
use crate::{Actor, ApiKey, Digest, KeyId, Timestamp};

/// Why a key is revoked that an older database did not know to be.
const REVOKED: &str = "revoked after the backup was made";
/// The same of one whose secret was replaced.
const REPLACED: &str = "its secret was replaced after the backup was made";
/// Why a key is barred that an older database did not know to be.
const BLOCKED: &str = "blocked after the backup was made";

/// What a journal says of keys. Takes some hundred bytes for each.
#[derive(Debug, Default)]
pub struct KnownEnds {
    keys: HashMap<KeyId, Known>,
    /// How often the database was put back before the lines that come now.
    restored: u64,
    /// Whether lines are missing.
    has_gaps: bool,
}

/// What is known of one key.
#[derive(Debug, Default)]
struct Known {
    /// Where the last line stands: how often the database had been put back, and the version.
    place: (u64, i64),
    /// What the last line says.
    last: Standing,
    /// When it was written.
    last_at: Option<Timestamp>,
    /// The final ends, which no later line takes back.
    revoked_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    /// Secrets that open nothing any more.
    replaced: Vec<Digest>,
    /// The highest version that was ever told.
    highest: i64,
}

impl KnownEnds {
    /// Takes note of the next line. Lines of one key may have changed places if they were written at the same time.
    pub fn hear(&mut self, line: &JournalLine) {
        match line {
            JournalLine::Begun { .. } => {}
            JournalLine::Restored { .. } => self.restored += 1,
            JournalLine::Replaced { key_id, secret, .. } => {
                let known = self.keys.entry(*key_id).or_default();
                if !known.replaced.contains(secret) {
                    known.replaced.push(*secret);
                }
            }
            JournalLine::Key(line) => self.hear_key(line),
        }
    }

    fn hear_key(&mut self, line: &KeyLine) {
        let place = (self.restored, line.version);
        let known = self.keys.entry(line.key_id).or_default();
        known.revoked_at = known.revoked_at.or(line.standing.revoked_at);
        known.deleted_at = known.deleted_at.or(line.standing.deleted_at);
        known.highest = known.highest.max(line.version);
        if place >= known.place {
            (known.place, known.last, known.last_at) = (place, line.standing, Some(line.at));
        }
    }

    /// Takes note of what another journal of the same database says: of what can be taken back, the later counts.
    pub fn join(&mut self, other: Self) {
        self.has_gaps |= other.has_gaps;
        for (key_id, known) in other.keys {
            self.keys.entry(key_id).or_default().join(known);
        }
    }

    /// Takes note that lines of the journal are missing. What can be taken back counts then only for a record that is older than the last line that is
    /// there: the line that took it back may be one of those.
    #[must_use]
    pub fn with_gaps(self) -> Self {
        Self { has_gaps: true, ..self }
    }

    /// The keys of which something is known.
    pub fn keys(&self) -> impl Iterator<Item = KeyId> {
        self.keys.keys().copied()
    }

    /// Brings the record of a key from an older database to the end that the key has had since, and tells whether that changed
    /// anything. A key is only ever ended, barred or switched off by this; what was given to it since is not given again. A secret that was
    /// replaced since ends its key, as the new one is not known. Its version is above all that were told, so that the journal tells which came later.
    pub fn end_again(&self, key: &mut ApiKey, now: Timestamp) -> bool {
        let Some(known) = self.keys.get(&key.id) else { return false };
        let before = key.clone();
        known.end(key, now, self.has_gaps);
        if *key == before {
            return false;
        }
        key.version = key.version.max(known.highest) + 1;
        key.updated_at = now;
        key.updated_by = Actor::System;
        true
    }
}

impl Known {
    fn join(&mut self, other: Self) {
        self.revoked_at = self.revoked_at.or(other.revoked_at);
        self.deleted_at = self.deleted_at.or(other.deleted_at);
        self.highest = self.highest.max(other.highest);
        for secret in other.replaced {
            if !self.replaced.contains(&secret) {
                self.replaced.push(secret);
            }
        }
        if other.last_at > self.last_at {
            (self.place, self.last, self.last_at) = (other.place, other.last, other.last_at);
        }
    }

    fn end(&self, key: &mut ApiKey, now: Timestamp, has_gaps: bool) {
        let end = |at, reason: &str| Revocation { at, reason: Some(reason.to_owned()) };
        if let Some(at) = self.revoked_at.or(self.deleted_at) {
            key.revoked.get_or_insert_with(|| end(at, REVOKED));
        }
        if let Some(at) = self.deleted_at {
            key.deleted.get_or_insert((at, Actor::System));
        }
        if self.replaced.contains(&replaced_secret(key.secret.digest)) {
            key.revoked.get_or_insert_with(|| end(now, REPLACED));
        }
        if key.revoked.is_some() || has_gaps && key.version >= self.highest {
            return;
        }
        if self.last.disabled {
            key.enabled = false;
        }
        if self.last.blocked {
            key.blocked.get_or_insert_with(|| BLOCKED.to_owned());
        }
        if let Some(end) = self.last.expires_at {
            key.expires_at = Some(key.expires_at.map_or(end, |own| own.min(end)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApplicationId, Secret, TenantId};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn key() -> ApiKey {
        let (id, tenant) = (KeyId::from_parts(at(0), 1), TenantId::from_parts(at(0), 1));
        let (application, name) = (ApplicationId::from_parts(at(0), 1), "Web".parse().unwrap());
        ApiKey::new(id, tenant, application, name, &Secret::new("s".repeat(24)), Actor::System, at(0))
    }

    fn line(version: i64, standing: Standing) -> JournalLine {
        let ApiKey { tenant_id, id: key_id, .. } = key();
        JournalLine::Key(KeyLine { tenant_id, key_id, version, at: at(version), standing })
    }

    /// The key as an old backup has it, after these lines.
    fn after(lines: &[JournalLine]) -> ApiKey {
        let (mut known, mut key) = (KnownEnds::default(), key());
        lines.iter().for_each(|line| known.hear(line));
        let before = key.clone();
        assert_eq!(known.end_again(&mut key, at(99)), key != before);
        let again = key.clone();
        assert!(!known.end_again(&mut key, at(100)) && key == again, "the second time changes nothing");
        key
    }

    const BLOCKED_KEY: Standing =
        Standing { revoked_at: None, deleted_at: None, expires_at: None, disabled: false, blocked: true };

    #[test]
    fn a_final_end_stays_whatever_is_told_later() {
        let revoked = Standing { revoked_at: Some(at(5)), ..Standing::default() };
        for lines in [vec![line(2, revoked)], vec![line(2, revoked), line(3, Standing::default())]] {
            let key = after(&lines);
            assert_eq!(key.revoked.map(|end| end.at), Some(at(5)));
            assert_eq!(
                (key.updated_at, key.updated_by, key.version),
                (at(99), Actor::System, 1 + lines.len() as i64 + 1)
            );
        }
        let deleted = Standing { deleted_at: Some(at(6)), ..revoked };
        let key = after(&[line(2, deleted)]);
        assert_eq!((key.deleted, key.revoked.is_some()), (Some((at(6), Actor::System)), true));
    }

    #[test]
    fn what_can_be_taken_back_is_as_it_was_last() {
        assert!(after(&[line(2, BLOCKED_KEY)]).blocked.is_some());
        assert!(after(&[line(2, BLOCKED_KEY), line(3, Standing::default())]).blocked.is_none());
        assert!(
            after(&[line(3, Standing::default()), line(2, BLOCKED_KEY)]).blocked.is_none(),
            "out of order"
        );
        let disabled = Standing { disabled: true, ..Standing::default() };
        assert!(!after(&[line(2, disabled)]).enabled);
        let ends = Standing { expires_at: Some(at(50)), ..Standing::default() };
        assert_eq!(after(&[line(2, ends)]).expires_at, Some(at(50)));
    }

    #[test]
    fn versions_begin_anew_when_the_database_was_put_back() {
        let restored = JournalLine::Restored { at: at(10), accepted: false };
        let lines = [line(2, BLOCKED_KEY), line(3, Standing::default()), restored, line(2, BLOCKED_KEY)];
        let key = after(&lines);
        assert!(key.blocked.is_some());
        assert_eq!(key.version, 4, "above all that were told");
    }

    #[test]
    fn a_secret_that_was_replaced_ends_its_key_and_no_other_secret_does() {
        let ApiKey { tenant_id, id: key_id, secret, .. } = key();
        let replaced =
            |digest| JournalLine::Replaced { tenant_id, key_id, secret: replaced_secret(digest), at: at(2) };
        assert!(after(&[replaced(secret.digest)]).revoked.is_some());
        assert!(after(&[replaced(Digest::of(b"an older one"))]).revoked.is_none());
    }

    #[test]
    fn of_two_journals_the_later_line_counts_and_final_ends_of_both() {
        let heard = |lines: &[JournalLine]| {
            let mut known = KnownEnds::default();
            lines.iter().for_each(|line| known.hear(line));
            known
        };
        let revoked = Standing { revoked_at: Some(at(5)), ..Standing::default() };
        let (blocked, taken_back) = (line(2, BLOCKED_KEY), line(3, Standing::default()));
        for (first, second, is_blocked) in
            [(blocked, taken_back, false), (line(4, BLOCKED_KEY), taken_back, true)]
        {
            for (one, two) in [(first, second), (second, first)] {
                let (mut known, mut key) = (heard(&[one]), key());
                known.join(heard(&[two]));
                known.end_again(&mut key, at(99));
                assert_eq!(key.blocked.is_some(), is_blocked);
            }
        }
        let (mut known, mut key) = (heard(&[line(7, Standing::default())]), key());
        known.join(heard(&[line(2, revoked)]));
        assert!(known.end_again(&mut key, at(99)) && key.revoked.is_some() && key.version == 8);
    }

    #[test]
    fn where_lines_are_missing_only_older_records_get_what_can_be_taken_back() {
        let mut known = KnownEnds::default();
        known.hear(&line(2, BLOCKED_KEY));
        let known = known.with_gaps();
        let (mut older, mut present) = (key(), ApiKey { version: 3, ..key() });
        assert!(known.end_again(&mut older, at(99)) && older.blocked.is_some());
        assert!(
            !known.end_again(&mut present, at(99)),
            "it was taken back, perhaps by a line that is missing"
        );
        let mut known = KnownEnds::default();
        known.hear(&line(2, Standing { revoked_at: Some(at(5)), ..Standing::default() }));
        assert!(known.with_gaps().end_again(&mut present, at(99)), "that is never taken back");
    }

    #[test]
    fn nothing_is_given_to_a_key() {
        let mut known = KnownEnds::default();
        known.hear(&line(9, Standing { expires_at: Some(at(50)), ..Standing::default() }));
        let mut narrow =
            ApiKey { enabled: false, blocked: Some("unpaid".into()), expires_at: Some(at(20)), ..key() };
        let before = narrow.clone();
        assert!(!known.end_again(&mut narrow, at(99)));
        assert_eq!(narrow, before);
    }
}
