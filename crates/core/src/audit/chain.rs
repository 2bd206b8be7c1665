//! The chain of a tenant's log. Each entry is sealed: it gets a place, and a hash over its own text and the hash of the
//! entry before it. `docs/audit.md` tells others how to check it; this form never changes, a later one gets a
//! domain of its own.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Actor, AuditEntry};
use crate::text::deserialize_parsed;
use crate::{AuditId, Digest, Invalid, TenantId, Timestamp};

/// Names the form of chain and export. It stands before everything that is hashed, so that no hash made for
/// another purpose can be taken for one of a chain.
pub(super) const FORMAT: &str = "keystile.audit.1";

/// Highest place that can be stored.
const LAST: u64 = i64::MAX as u64;

/// An entry as it was recorded. Its changes are the very text that was written, since the hash is taken of it.
pub type RecordedEntry = AuditEntry<Box<RawValue>>;

impl RecordedEntry {
    /// The entry with its changes as a value.
    ///
    /// # Errors
    /// When they hold a number that no value can hold.
    pub fn into_value(self) -> Result<AuditEntry, serde_json::Error> {
        let Self { id, tenant_id, at, actor, action, target, ip, request_id, changes } = self;
        let changes = serde_json::from_str(changes.get())?;
        Ok(AuditEntry { id, tenant_id, at, actor, action, target, ip, request_id, changes })
    }
}

/// The place of an entry in its tenant's chain: 1, 2, … without a gap. 0 stands before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

impl Seq {
    /// The first place.
    pub const FIRST: Self = Self(1);

    /// The place with this number, held to what can be stored.
    pub const fn new(number: u64) -> Self {
        Self(if number > LAST { LAST } else { number })
    }

    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The place behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.saturating_add(1))
    }

    /// The place before this one; 0 has none.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seq {
    type Err = Invalid;

    /// Only the canonical form, without a sign or leading zeros.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.parse::<u64>().ok().filter(|number| *number <= LAST && number.to_string() == text);
        number.map(Self).ok_or_else(|| Invalid::rule("must be the number of an entry, such as `17`"))
    }
}

/// The end of a chain: the place of its last entry, and that entry's hash, which stands for all before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainHead {
    /// Place of the last entry; 0 while there is none.
    pub seq: Seq,
    /// Its hash.
    pub hash: Digest,
}

impl ChainHead {
    /// Where the chain of a tenant begins: its first hash is of the tenant alone.
    pub fn empty(tenant_id: TenantId) -> Self {
        Self { seq: Seq(0), hash: hash(&format!(r#"{{"tenant_id":"{tenant_id}"}}"#)) }
    }

    /// Puts an entry behind the end.
    pub fn seal(self, entry: RecordedEntry) -> SealedEntry {
        let (seq, previous) = (self.seq.next(), self.hash);
        let hash = hash(&Line::of(&entry, seq, previous, previous).body());
        SealedEntry { seq, entry, previous, hash }
    }
}

/// `17:9f86d0…`: what an operator notes elsewhere.
impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash.to_hex())
    }
}

impl FromStr for ChainHead {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once(':');
        let read = parts.and_then(|(seq, hash)| Some((seq.parse().ok()?, hash.parse().ok()?)));
        read.map(|(seq, hash)| Self { seq, hash }).ok_or_else(|| {
            Invalid::rule(
                "must be the number of an entry and its hash of 64 hexadecimal digits, `17:9f86d0…`",
            )
        })
    }
}

/// An entry with its place in the chain.
#[derive(Debug, Clone)]
pub struct SealedEntry {
    /// Its place.
    pub seq: Seq,
    /// What it tells.
    pub entry: RecordedEntry,
    /// Hash of the entry before it.
    pub previous: Digest,
    /// Hash of this entry.
    pub hash: Digest,
}

impl SealedEntry {
    /// The end of the chain while this is its last entry.
    pub const fn head(&self) -> ChainHead {
        ChainHead { seq: self.seq, hash: self.hash }
    }

    /// Its line in an export, without a line break: canonical JSON, the fields in a fixed order.
    pub fn line(&self) -> String {
        Line::of(&self.entry, self.seq, self.previous, self.hash).text()
    }
}

/// The fields of a line, in their order. Whoever reads one takes `action` as a text: a later version may know
/// more of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    pub(super) tenant_id: TenantId,
    #[serde(deserialize_with = "seq")]
    pub(super) seq: Seq,
    id: AuditId,
    at: Timestamp,
    actor: Actor,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    ip: Option<IpAddr>,
    request_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    changes: &'a RawValue,
    #[serde(deserialize_with = "deserialize_parsed")]
    pub(super) previous: Digest,
    #[serde(deserialize_with = "deserialize_parsed")]
    pub(super) hash: Digest,
}

impl<'a> Line<'a> {
    fn of(entry: &'a RecordedEntry, seq: Seq, previous: Digest, hash: Digest) -> Self {
        Self {
            tenant_id: entry.tenant_id,
            seq,
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            action: Cow::Borrowed(entry.action.as_str()),
            target: Cow::Borrowed(&entry.target),
            ip: entry.ip,
            request_id: entry.request_id.as_deref().map(Cow::Borrowed),
            changes: &entry.changes,
            previous,
            hash,
        }
    }

    /// Reads a line that is an entry in its canonical form with the hash that belongs to it.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(line).ok()?;
        let body = read.body();
        (hash(&body) == read.hash && close(body, read.hash).as_bytes() == line).then_some(read)
    }

    fn text(&self) -> String {
        close(self.body(), self.hash)
    }

    /// What the hash is taken of: the line without its hash.
    fn body(&self) -> String {
        let Self { tenant_id, seq, id, at, actor, .. } = self;
        let (action, target, changes) = (json(&self.action), json(&self.target), self.changes.get());
        let ip = self.ip.map_or_else(null, |ip| json(&ip.to_string()));
        let request_id = self.request_id.as_deref().map_or_else(null, json);
        let previous = self.previous.to_hex();
        format!(
            r#"{{"tenant_id":"{tenant_id}","seq":{seq},"id":"{id}","at":"{at}","actor":"{actor}","action":{action},"target":{target},"ip":{ip},"request_id":{request_id},"changes":{changes},"previous":"{previous}"}}"#
        )
    }
}

fn close(mut body: String, hash: Digest) -> String {
    body.pop();
    body + r#","hash":""# + &hash.to_hex() + r#""}"#
}

fn hash(text: &str) -> Digest {
    Digest::of(format!("{FORMAT}\n{text}").as_bytes())
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn null() -> String {
    "null".to_owned()
}

fn seq<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Seq, D::Error> {
    u64::deserialize(deserializer).map(Seq::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_from_its_text() {
        let head = ChainHead { seq: Seq::new(17), hash: Digest::of(b"x") };
        assert_eq!(head.to_string().parse(), Ok(head));
        for bad in ["", "17", "17:", ":ab", "+17:ab", "017", "17:zz"] {
            assert!(bad.parse::<ChainHead>().is_err(), "{bad}");
        }
    }

    /// Whoever wrote a checker by `docs/audit.md` relies on these bytes.
    #[test]
    fn the_form_of_a_line_and_its_hash_never_change() {
        let entry = RecordedEntry {
            id: "aud_01HF7YAT000000000000000007".parse().unwrap(),
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            at: Timestamp::from_millis(1_700_000_000_000),
            actor: Actor::System,
            action: crate::Action::TenantCreate,
            target: "ten_01HF7YAT000000000000000001".to_owned(),
            ip: Some([192, 0, 2, 7].into()),
            request_id: None,
            changes: RawValue::from_string(r#"{"name":"A \"B\""}"#.to_owned()).unwrap(),
        };
        let sealed = ChainHead::empty(entry.tenant_id).seal(entry);
        assert_eq!(sealed.line(), include_str!("sample_line.json").trim_end());
        assert!(Line::read(sealed.line().as_bytes()).is_some());
    }
}
