//! Events that sources send, each about one entity.

pub mod activity;
pub mod entity;
pub mod ingest;

use serde_json::value::RawValue;

use crate::text::check_word;
use crate::{ApplicationId, Environment, EventId, Invalid, KeyId, TenantId, Timestamp, TrustLevel};

pub use activity::Activity;
pub use entity::{Entity, Overwriting, Saying};
pub use ingest::{IngestPosture, Outcome, OutcomeSum, Source};

/// Longest type of an event, and longest id that a source gives one, in bytes.
const WORD_MAX: usize = 128;
/// Longest type of an entity, in bytes.
const ENTITY_TYPE_MAX: usize = 64;
/// Longest id of an entity, in bytes.
const ENTITY_ID_MAX: usize = 200;
/// Longest text of what an event says, in bytes.
pub const DATA_MAX: usize = 16 * 1024;

/// Names an entity within an environment of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName {
    /// What kind of thing it is, such as `customer`: 1–64 visible ASCII characters, no `/` among them.
    pub entity_type: String,
    /// Which one: 1–200 visible ASCII characters.
    pub entity_id: String,
}

impl EntityName {
    /// A checked name.
    ///
    /// # Errors
    /// Every broken rule, of the fields `type` and `id`.
    pub fn new(entity_type: String, entity_id: String) -> Result<Self, Vec<Invalid>> {
        let checked = [
            check_entity_type(&entity_type).map_err(|broken| broken.at("type")),
            check_word(&entity_id, ENTITY_ID_MAX).map(drop).map_err(|broken| broken.at("id")),
        ];
        let broken: Vec<_> = checked.into_iter().filter_map(Result::err).collect();
        if broken.is_empty() { Ok(Self { entity_type, entity_id }) } else { Err(broken) }
    }

    /// Reads `type/id`, in which everything behind the first `/` is the id.
    ///
    /// # Errors
    /// Names the rule that was broken.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (entity_type, entity_id) = text
            .split_once('/')
            .ok_or_else(|| Invalid::rule("must be `type/id`, such as `customer/4711`"))?;
        Self::new(entity_type.to_owned(), entity_id.to_owned())
            .map_err(|broken| broken.into_iter().next().unwrap_or_else(|| Invalid::rule("must be `type/id`")))
    }
}

impl std::fmt::Display for EntityName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.entity_type, self.entity_id)
    }
}

/// Refuses anything but the type of an entity.
///
/// # Errors
/// Names the rule that was broken.
pub fn check_entity_type(text: &str) -> Result<(), Invalid> {
    if text.contains('/') {
        return Err(Invalid::rule("must not contain `/`"));
    }
    check_word(text, ENTITY_TYPE_MAX).map(drop)
}

/// Refuses anything but a word of 1–128 visible ASCII characters: the type of an event, or the id that its source gave it.
///
/// # Errors
/// Names the rule that was broken.
pub fn check_event_word(text: &str) -> Result<(), Invalid> {
    check_word(text, WORD_MAX).map(drop)
}

/// What a source says, with every rule kept.
#[derive(Debug, Clone)]
pub struct Event {
    /// The id that the source gave it, by which it is told from others of that source.
    pub source_event_id: Option<String>,
    /// What happened, such as `order.paid`.
    pub event_type: String,
    /// To what.
    pub entity: EntityName,
    /// What is said of the entity: a JSON object.
    pub data: Box<RawValue>,
    /// When it happened; when it was received, if the source does not say.
    pub occurred_at: Option<Timestamp>,
}

/// What is put on an event from the key with which it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The environment of the key.
    pub environment: Environment,
    /// The application of the key.
    pub application_id: ApplicationId,
    /// The key.
    pub key_id: KeyId,
    /// Who says it.
    pub source_id: String,
    /// How that source is to be treated.
    pub trust_level: TrustLevel,
}

/// An event, as it is kept.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Which one. It tells when it happened, so that events sort by that.
    pub id: EventId,
    /// What was put on it.
    pub stamp: Stamp,
    /// The id that the source gave it.
    pub source_event_id: Option<String>,
    /// What happened.
    pub event_type: String,
    /// To what.
    pub entity: EntityName,
    /// What is said of the entity: a JSON object.
    pub data: Box<RawValue>,
    /// When it was received.
    pub received_at: Timestamp,
}

impl StoredEvent {
    /// When it happened.
    pub fn occurred_at(&self) -> Timestamp {
        self.id.made_at()
    }
}

/// What became of an event that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It is kept now.
    Accepted,
    /// The source has sent it before, and it was kept then.
    Repeated,
    /// The source has sent another one with this id before.
    Reused,
    /// It happened longer ago than events are kept.
    TooOld {
        /// For how many days they are.
        days: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entity_is_named_by_its_type_and_its_id() {
        let name = EntityName::parse("customer/eu/4711").unwrap();
        assert_eq!((name.entity_type.as_str(), name.entity_id.as_str()), ("customer", "eu/4711"));
        assert_eq!(name.to_string(), "customer/eu/4711");
        for bad in
            ["customer", "/4711", "customer/", "a b/c", "a/b c", "ü/1", &format!("{}/1", "a".repeat(65))]
        {
            assert!(EntityName::parse(bad).is_err(), "{bad}");
        }
        let broken = EntityName::new("a/b".into(), String::new()).unwrap_err();
        let fields: Vec<_> = broken.iter().map(|broken| broken.field.as_ref()).collect();
        assert_eq!(fields, ["type", "id"]);
    }
}
