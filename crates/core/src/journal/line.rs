//! One line of the journal.

use serde::{Deserialize, Serialize};

use crate::{ApiKey, Digest, JournalId, KeyId, TenantId, Timestamp};

/// What of a key's record decides whether anybody can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// When it was ended for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was taken out of the lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// When its time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it is switched off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// Whether it is barred.
    #[serde(default, skip_serializing_if = "is_false")]
    pub blocked: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(truth: &bool) -> bool {
    !truth
}

impl Standing {
    /// How a key stands.
    pub fn of(key: &ApiKey) -> Self {
        Self {
            revoked_at: key.revoked.as_ref().map(|end| end.at),
            deleted_at: key.deleted.map(|(at, _)| at),
            expires_at: key.expires_at,
            disabled: !key.enabled,
            blocked: key.blocked.is_some(),
        }
    }
}

/// How a key stands at one of its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLine {
    /// Its tenant.
    pub tenant_id: TenantId,
    /// Which key.
    pub key_id: KeyId,
    /// The version of its record.
    pub version: i64,
    /// When that was written.
    pub at: Timestamp,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// What one line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum JournalLine {
    /// The first line: which journal this is.
    Begun {
        /// Its id, by which a database names the journal that is told of it.
        journal_id: JournalId,
        /// When it was made.
        at: Timestamp,
    },
    /// A key stands otherwise than before.
    Key(KeyLine),
    /// A secret of a key was replaced: it opens nothing any more.
    Replaced {
        /// The key's tenant.
        tenant_id: TenantId,
        /// Which key.
        key_id: KeyId,
        /// Tells the secret from others, as [`replaced_secret`] makes it.
        #[serde(with = "hex")]
        secret: Digest,
        /// When.
        at: Timestamp,
    },
    /// The database was put back to an earlier state: versions of keys that follow are counted from there. Or lines before this one were not told as it
    /// happened, which makes no difference to those that follow.
    Restored {
        /// When.
        at: Timestamp,
        /// Whether somebody has accepted that keys which have ended came back by it.
        #[serde(default, skip_serializing_if = "is_false")]
        accepted: bool,
    },
}

/// Why a line says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadLine {
    /// It was not written to its end, or was damaged since.
    #[error("a line of the revocation journal is damaged")]
    Broken,
    /// It is as it was written, by a program that knows more.
    #[error("a later version wrote to the revocation journal: install that, or a later one")]
    Unknown,
}

impl JournalLine {
    /// The line, with its line break.
    ///
    /// # Errors
    /// Never in practice: all that is in it can be written as JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let json = serde_json::to_string(self)?;
        let check = crc32fast::hash(json.as_bytes());
        Ok(format!("{json} {check:08x}\n"))
    }

    /// Reads a line, without its line break.
    ///
    /// # Errors
    /// When its check does not fit, or nobody knows what it says.
    pub fn read(line: &[u8]) -> Result<Self, UnreadLine> {
        let json = checked(line).ok_or(UnreadLine::Broken)?;
        serde_json::from_str(json).map_err(|_| UnreadLine::Unknown)
    }

    /// Whether a line, without its line break, is as it was written, whatever it says.
    pub fn is_whole(line: &[u8]) -> bool {
        checked(line).is_some()
    }
}

/// The JSON of a line whose check fits.
fn checked(line: &[u8]) -> Option<&str> {
    let (json, check) = std::str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let check = u32::from_str_radix(check, 16).ok()?;
    (crc32fast::hash(json.as_bytes()) == check).then_some(json)
}

/// What the journal keeps of a secret that was replaced: the digest of its digest, by which the digest cannot be found. Whoever has the secret can test it.
pub fn replaced_secret(secret: Digest) -> Digest {
    Digest::of(secret.as_bytes())
}

/// A digest as hexadecimal digits.
mod hex {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.to_hex())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn lines() -> [JournalLine; 5] {
        let (tenant_id, key_id) = (TenantId::from_parts(at(0), 1), KeyId::from_parts(at(0), 2));
        let standing = Standing { revoked_at: Some(at(1)), blocked: true, ..Standing::default() };
        let secret = replaced_secret(Digest::of(b"secret"));
        [
            JournalLine::Key(KeyLine { tenant_id, key_id, version: 7, at: at(2), standing }),
            JournalLine::Replaced { tenant_id, key_id, secret, at: at(3) },
            JournalLine::Restored { at: at(4), accepted: false },
            JournalLine::Restored { at: at(5), accepted: true },
            JournalLine::Begun { journal_id: JournalId::from_parts(at(0), 3), at: at(0) },
        ]
    }

    #[test]
    fn every_line_comes_back() {
        for line in lines() {
            let text = line.write().unwrap();
            assert_eq!(JournalLine::read(text.strip_suffix('\n').unwrap().as_bytes()), Ok(line), "{text}");
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_first() {
        let text = lines()[0].write().unwrap();
        let json = "{\"is\":\"key\",\"tenant_id\":\"ten_01HF7YAT000000000000000001\",\
            \"key_id\":\"key_01HF7YAT000000000000000002\",\"version\":7,\"at\":\"2023-11-14T22:13:20.002Z\",\
            \"revoked_at\":\"2023-11-14T22:13:20.001Z\",\"blocked\":true} ";
        assert_eq!(text.strip_prefix(json).map(str::len), Some(9), "{text}");
    }

    #[test]
    fn every_beginning_of_a_line_and_every_other_byte_in_it_is_recognised() {
        let text = lines()[1].write().unwrap();
        let whole = text.strip_suffix('\n').unwrap().as_bytes();
        for end in 0..whole.len() {
            assert_eq!(JournalLine::read(&whole[..end]), Err(UnreadLine::Broken), "{end}");
            let mut other = whole.to_vec();
            // Another letter in the JSON or its check, and not only the other case of a digit.
            other[end] = if other[end] == b'~' { b'!' } else { b'~' };
            assert_eq!(JournalLine::read(&other), Err(UnreadLine::Broken), "{end}");
        }
    }

    #[test]
    fn what_a_later_version_has_written_is_unknown_and_not_broken() {
        let json = "{\"is\":\"moved\"}";
        let line = format!("{json} {:08x}", crc32fast::hash(json.as_bytes()));
        assert_eq!(JournalLine::read(line.as_bytes()), Err(UnreadLine::Unknown));
        assert!(JournalLine::is_whole(line.as_bytes()));
    }

    #[test]
    fn neither_a_secret_nor_its_digest_is_written() {
        let digest = Digest::of(b"secret").to_hex();
        assert!(!lines()[1].write().unwrap().contains(&digest));
    }
}
