//! Events: sending them, and reading them again.

use std::time::Duration;

use keystile_core::event::entity::{self, FIELD_MAX};
use keystile_core::event::{DATA_MAX, EntityName, check_event_word};
use keystile_core::{
    ApplicationId, Environment, Event, EventId, Invalid, KeyId, Stamp, StoredEvent, TenantId, Timestamp,
    TrustLevel,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::broken::Broken;
use crate::{FieldProblem, Object, schema};

/// Most events in one request.
pub const MAX_EVENTS: usize = 1_000;
/// How far ahead of ours the clock of a source may be.
const AHEAD: Duration = Duration::from_secs(5 * 60);
/// Deepest nesting of what an event says that is taken without reading it once to be sure.
const SHALLOW: usize = 32;

/// Names an entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntityNameBody {
    /// What kind of thing it is.
    #[serde(rename = "type")]
    #[schema(schema_with = schema::entity_type)]
    pub entity_type: String,
    /// Which one.
    #[schema(schema_with = schema::entity_id)]
    pub id: String,
}

impl From<EntityName> for EntityNameBody {
    fn from(name: EntityName) -> Self {
        Self { entity_type: name.entity_type, id: name.entity_id }
    }
}

/// An event to send. Tenant, source, trust level, environment, application and key are those of the API key: an event that
/// claims others is refused.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendEvent {
    /// What happened, such as `order.paid`.
    #[serde(rename = "type")]
    #[schema(schema_with = schema::word)]
    pub event_type: String,
    /// What it happened to.
    #[schema(value_type = EntityNameBody)]
    pub entity: Object<EntityNameBody>,
    /// What is said of the entity: a JSON object of at most 16 KiB. Empty by default.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Your own id of the event, by which it is kept once, however often it is sent.
    #[schema(schema_with = schema::maybe_word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it happened: at most five minutes from now, and not longer ago than events are kept. By default now.
    #[schema(schema_with = schema::maybe_time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
    /// Need not be sent; if it is, it must be the tenant of the API key.
    #[schema(schema_with = schema::maybe_tenant_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Need not be sent; if it is, it must be the `source_id` of the API key.
    #[schema(schema_with = schema::maybe_word)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Need not be sent; if it is, it must be the trust level of the API key.
    #[schema(schema_with = schema::maybe_trust_level)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<String>,
    /// Need not be sent; if it is, it must be the environment of the API key.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Need not be sent; if it is, it must be the application of the API key.
    #[schema(schema_with = schema::maybe_application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// Need not be sent; if it is, it must be the id of the API key.
    #[schema(schema_with = schema::maybe_key_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// What an event claims of its sender, field by field.
pub(crate) type Claims<'c> = [(&'static str, Option<&'c str>); 6];

/// Refuses what an event claims of its sender without right.
pub(crate) fn check_claims(claims: Claims<'_>, stamp: &Stamp) -> Vec<Invalid> {
    let is_own = |place: usize, claimed: &str| match place {
        0 => claimed == stamp.tenant_id.to_string(),
        1 => claimed == stamp.source_id,
        2 => claimed == stamp.trust_level.as_str(),
        3 => claimed == stamp.environment.as_str(),
        4 => claimed == stamp.application_id.to_string(),
        _ => claimed == stamp.key_id.to_string(),
    };
    let check = move |(place, (field, claimed)): (usize, (&'static str, Option<&str>))| {
        let is_false = claimed.is_some_and(|claimed| !is_own(place, claimed));
        is_false.then(|| Invalid::new(field, "is not that of the API key; leave it out, the key tells it"))
    };
    claims.into_iter().enumerate().filter_map(check).collect()
}

/// What is sent as JSON: an event, or a list of them.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum SendEvents {
    /// One.
    One(Box<SendEvent>),
    /// Up to 1,000.
    Many(Vec<SendEvent>),
}

impl PartialSchema for SendEvents {
    fn schema() -> RefOr<Schema> {
        schema::events().into()
    }
}

impl ToSchema for SendEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((SendEvent::name().into_owned(), SendEvent::schema()));
        SendEvent::schemas(schemas);
    }
}

impl SendEvent {
    /// Checks every field, at `now`, of an event that is sent by `stamp`.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self, stamp: &Stamp, now: Timestamp) -> Result<Event, Vec<Invalid>> {
        let mut broken = Broken::default();
        let word = |text: String| check_event_word(&text).map(|()| text);
        let event_type = broken.required("type", word(self.event_type));
        let Object(EntityNameBody { entity_type, id }) = self.entity;
        let entity = broken.whole("entity", EntityName::new(entity_type, id));
        let data = broken.required("data", said(self.data));
        let source_event_id = broken.required("id", self.id.map(word).transpose());
        let occurred_at = self.occurred_at.map(|text| moment(&text, now)).transpose();
        let occurred_at = broken.required("occurred_at", occurred_at);
        let claims = [
            ("tenant_id", self.tenant_id.as_deref()),
            ("source_id", self.source_id.as_deref()),
            ("trust_level", self.trust_level.as_deref()),
            ("environment", self.environment.as_deref()),
            ("application_id", self.application_id.as_deref()),
            ("key_id", self.key_id.as_deref()),
        ];
        broken.add(check_claims(claims, stamp));
        match (event_type, entity, data, source_event_id, occurred_at) {
            (Some(event_type), Some(entity), Some(data), Some(source_event_id), Some(occurred_at))
                if broken.is_empty() =>
            {
                Ok(Event { source_event_id, event_type, entity, data, occurred_at })
            }
            _ => Err(broken.into()),
        }
    }
}

/// A moment that may have been.
pub(crate) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Invalid> {
    let moment: Timestamp = text.parse()?;
    if moment > now.plus(AHEAD) {
        return Err(Invalid::rule("must be at most five minutes from now"));
    }
    Ok(moment)
}

/// What an event says: a JSON object within bounds. Nothing is one without members.
pub(crate) fn said(data: Option<Box<RawValue>>) -> Result<Box<RawValue>, Invalid> {
    let Some(data) = data else {
        return RawValue::from_string("{}".to_owned()).map_err(|_| Invalid::rule("must be an object"));
    };
    let text = data.get();
    if !text.starts_with('{') {
        return Err(Invalid::rule("must be an object"));
    }
    if text.len() > DATA_MAX {
        return Err(Invalid::rule(format!("must be at most {DATA_MAX} bytes")));
    }
    // It is passed on as it stands, to readers that want whole characters and bounded nesting.
    let is_plain =
        !text.contains("\\u") && text.bytes().filter(|byte| b"[{".contains(byte)).count() <= SHALLOW;
    if !is_plain && serde_json::from_str::<serde_json::Value>(text).is_err() {
        return Err(Invalid::rule("must be nested at most 127 deep, and have no half of a surrogate pair"));
    }
    if text.len() > FIELD_MAX {
        let fields = entity::said(&data).map_err(|_| Invalid::rule("must be an object"))?;
        if fields.iter().any(|(name, value)| name.len() + value.get().len() > FIELD_MAX) {
            return Err(Invalid::rule(format!(
                "must have members of at most {FIELD_MAX} bytes each, name and value together"
            )));
        }
    }
    Ok(data)
}

/// What became of the events of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestAnswer {
    /// How many are kept now, those among them that were kept before.
    pub accepted: u64,
    /// Those that are not, and why.
    pub rejected: Vec<RejectedEvent>,
}

/// An event that is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectedEvent {
    /// Its place among the events of the request, from 0; empty lines do not count.
    pub index: u64,
    /// Why, in words that name the field and the rule.
    pub reason: String,
    /// Each rule that it breaks.
    pub errors: Vec<FieldProblem>,
}

/// Which events to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EventListQuery {
    /// Events on the page, 1 to 200. A page of filtered events may have fewer, or none, and be followed by others.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Those of this environment; `production` by default.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Only events of this source.
    #[param(schema_with = schema::word)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Only events about this entity, as `type/id`.
    #[param(schema_with = schema::entity)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// Only events of this type.
    #[param(schema_with = schema::word)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Only what happened then or later.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only what happened before.
    #[param(schema_with = schema::time)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

impl EventListQuery {
    /// Checks what the types leave open, and gives the entity.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn check(&self) -> Result<Option<EntityName>, Invalid> {
        for (field, word) in [("source_id", &self.source_id), ("type", &self.event_type)] {
            word.as_deref().map_or(Ok(()), check_event_word).map_err(|broken| broken.at(field))?;
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from >= to => Err(Invalid::new("to", "must be later than `from`")),
            _ => {
                let entity = self.entity.as_deref().map(EntityName::parse).transpose();
                entity.map_err(|broken| Invalid::new("entity", broken.rule))
            }
        }
    }
}

/// An event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Which one.
    #[schema(schema_with = schema::event_id)]
    pub id: EventId,
    /// Whose it is.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The environment of the key with which it was sent.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// The application of that key.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// The key with which it was sent.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// Who sent it.
    #[schema(schema_with = schema::word)]
    pub source_id: String,
    /// How that source was to be treated.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
    /// The id that the source gave it.
    #[schema(schema_with = schema::maybe_word, required)]
    pub source_event_id: Option<String>,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(schema_with = schema::word)]
    pub event_type: String,
    /// What it happened to.
    pub entity: EntityNameBody,
    /// What is said of the entity.
    #[schema(schema_with = schema::object)]
    pub data: Box<RawValue>,
    /// When it happened.
    #[schema(schema_with = schema::time)]
    pub occurred_at: Timestamp,
    /// When it was received.
    #[schema(schema_with = schema::time)]
    pub received_at: Timestamp,
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        let occurred_at = event.occurred_at();
        let Stamp { tenant_id, environment, application_id, key_id, source_id, trust_level } = event.stamp;
        Self {
            id: event.id,
            tenant_id,
            environment,
            application_id,
            key_id,
            source_id,
            trust_level,
            source_event_id: event.source_event_id,
            event_type: event.event_type,
            entity: event.entity.into(),
            data: event.data,
            occurred_at,
            received_at: event.received_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn stamp() -> Stamp {
        Stamp {
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            environment: Environment::Staging,
            application_id: "app_01HF7YAT000000000000000001".parse().unwrap(),
            key_id: "key_01HF7YAT000000000000000001".parse().unwrap(),
            source_id: "checkout".to_owned(),
            trust_level: TrustLevel::Internal,
        }
    }

    fn parsed(event: &serde_json::Value) -> Result<Event, Vec<String>> {
        let sent: SendEvent = serde_json::from_str(&event.to_string()).unwrap();
        let now = "2026-01-31T09:30:00Z".parse().unwrap();
        let fields =
            |broken: Vec<Invalid>| broken.into_iter().map(|broken| broken.field.into_owned()).collect();
        sent.parse(&stamp(), now).map_err(fields)
    }

    #[test]
    fn an_event_needs_a_type_and_an_entity() {
        let event = serde_json::json!({ "type": "order.paid", "entity": { "type": "order", "id": "7" } });
        let event = parsed(&event).unwrap();
        assert_eq!((event.event_type.as_str(), event.entity.to_string().as_str()), ("order.paid", "order/7"));
        assert_eq!((event.data.get(), event.source_event_id, event.occurred_at), ("{}", None, None));
    }

    #[test]
    fn every_broken_rule_is_named_with_its_field() {
        let broken = serde_json::json!({
            "type": "a b", "entity": { "type": "a/b", "id": "" }, "data": [], "id": "", "occurred_at": "2026-01-31T09:35:01Z",
            "tenant_id": "ten_01HF7YAT000000000000000002", "source_id": "other", "trust_level": "trusted",
            "environment": "production", "application_id": "app_x", "key_id": "key_x",
        });
        let fields = [
            "type",
            "entity.type",
            "entity.id",
            "data",
            "id",
            "occurred_at",
            "tenant_id",
            "source_id",
            "trust_level",
            "environment",
            "application_id",
            "key_id",
        ];
        assert_eq!(parsed(&broken).unwrap_err(), fields);
    }

    #[test]
    fn what_is_true_of_the_key_may_be_said() {
        let event = serde_json::json!({
            "type": "a", "entity": { "type": "a", "id": "b" }, "source_id": "checkout", "environment": "staging",
            "trust_level": "internal", "tenant_id": stamp().tenant_id, "occurred_at": "2026-01-31T09:35:00Z",
        });
        assert!(parsed(&event).is_ok());
    }

    #[test]
    fn what_an_event_says_is_an_object_that_everybody_can_read() {
        let told = |text: &str| said(Some(RawValue::from_string(text.to_owned()).unwrap()));
        assert!(told(r#"{"a":"\u00e4\ud83d\ude00"}"#).is_ok());
        assert!(told(&format!("{{\"a\":{}1{}}}", "[".repeat(100), "]".repeat(100))).is_ok());
        for bad in ["7", "null", "[]", r#"{"a":"\ud83d"}"#] {
            assert!(told(bad).is_err(), "{bad}");
        }
        let of_size = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
        assert!(told(&format!("{{\"a\":{}}}", of_size(FIELD_MAX - 1))).is_ok());
        assert!(told(&format!("{{\"a\":{}}}", of_size(FIELD_MAX))).is_err());
        let many =
            |count: usize| (0..count).map(|n| format!("\"a{n}\":{}", of_size(1000))).collect::<Vec<_>>();
        assert!(told(&format!("{{{}}}", many(16).join(","))).is_ok());
        assert!(told(&format!("{{{}}}", many(17).join(","))).is_err(), "more than {DATA_MAX} bytes");
    }
}
