//! Events in the form of CloudEvents 1.0.
//!
//! Attributes that we do not know are passed over, as the specification wants of extensions.

use keystile_core::event::EntityName;
use keystile_core::{Event, Invalid, Stamp, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::event::check_claims;
use crate::{EntityNameBody, Object, SendEvent};

/// The version that is read.
const VERSION: &str = "1.0";

/// An event as a CloudEvent. `subject` is the entity, `time` when it happened.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: String,
    /// The id that the source gives it, by which it is kept once.
    pub id: String,
    /// The `source_id` of the API key.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it happened to: `type/id`.
    pub subject: String,
    /// When it happened; by default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Must be JSON, if it is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// What is said of the entity: a JSON object of at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Is not taken: `data` has to be JSON.
    #[serde(default, skip_serializing)]
    pub data_base64: Option<Box<RawValue>>,
    /// Need not be sent; if it is, it must be the tenant of the API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenantid: Option<String>,
    /// The same of the `source_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sourceid: Option<String>,
    /// The same of the trust level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trustlevel: Option<String>,
    /// The same of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The same of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applicationid: Option<String>,
    /// The same of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<String>,
}

impl CloudEvent {
    /// Checks every attribute, at `now`, of an event that is sent by `stamp`.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self, stamp: &Stamp, now: Timestamp) -> Result<Event, Vec<Invalid>> {
        let mut broken = self.misused(stamp);
        let entity =
            EntityName::parse(&self.subject).map_err(|invalid| Invalid::new("subject", invalid.rule));
        let entity = entity.map_err(|invalid| broken.push(invalid)).ok();
        let body = entity.map_or_else(
            // Stands in for the one that is wrong, so that the rest is checked, too.
            || EntityNameBody { entity_type: "wrong".to_owned(), id: "wrong".to_owned() },
            EntityNameBody::from,
        );
        let event = SendEvent {
            event_type: self.event_type,
            entity: Object(body),
            data: self.data,
            id: Some(self.id),
            occurred_at: self.time,
            tenant_id: None,
            source_id: None,
            trust_level: None,
            environment: None,
            application_id: None,
            key_id: None,
        };
        let as_here = |mut invalid: Invalid| {
            if invalid.field == "occurred_at" {
                invalid.field = "time".into();
            }
            invalid
        };
        match event.parse(stamp, now) {
            Ok(event) if broken.is_empty() => Ok(event),
            Ok(_) => Err(broken),
            Err(others) => {
                broken.extend(others.into_iter().map(as_here));
                Err(broken)
            }
        }
    }

    /// What is wrong with the attributes that only CloudEvents have, and with what it claims.
    fn misused(&self, stamp: &Stamp) -> Vec<Invalid> {
        let is_json = |declared: &String| {
            let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            essence == "application/json" || essence.ends_with("+json")
        };
        let mut broken = Vec::new();
        if self.specversion != VERSION {
            broken.push(Invalid::new("specversion", "must be `1.0`"));
        }
        if self.source != stamp.source_id {
            let rule = "must be the `source_id` of the API key, which speaks in no other name";
            broken.push(Invalid::new("source", rule));
        }
        if !self.datacontenttype.as_ref().is_none_or(is_json) {
            broken.push(Invalid::new("datacontenttype", "must be JSON, such as `application/json`"));
        }
        if self.data_base64.is_some() {
            broken.push(Invalid::new("data_base64", "is not taken; send `data` as a JSON object"));
        }
        let claims = [
            ("tenantid", self.tenantid.as_deref()),
            ("sourceid", self.sourceid.as_deref()),
            ("trustlevel", self.trustlevel.as_deref()),
            ("environment", self.environment.as_deref()),
            ("applicationid", self.applicationid.as_deref()),
            ("keyid", self.keyid.as_deref()),
        ];
        broken.extend(check_claims(claims, stamp));
        broken
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Environment, TrustLevel};
    use serde_json::json;

    use super::*;

    fn parsed(event: &serde_json::Value) -> Result<Event, Vec<String>> {
        let stamp = Stamp {
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            environment: Environment::Production,
            application_id: "app_01HF7YAT000000000000000001".parse().unwrap(),
            key_id: "key_01HF7YAT000000000000000001".parse().unwrap(),
            source_id: "https://shop.example/checkout".to_owned(),
            trust_level: TrustLevel::External,
        };
        let sent: CloudEvent = serde_json::from_str(&event.to_string()).unwrap();
        let fields =
            |broken: Vec<Invalid>| broken.into_iter().map(|broken| broken.field.into_owned()).collect();
        sent.parse(&stamp, "2026-01-31T09:30:00Z".parse().unwrap()).map_err(fields)
    }

    #[test]
    fn a_cloud_event_is_an_event_about_its_subject() {
        let event = parsed(&json!({
            "specversion": "1.0", "id": "A-1", "source": "https://shop.example/checkout", "type": "com.example.paid",
            "subject": "order/7/b", "time": "2026-01-31T09:00:00Z", "datacontenttype": "application/json; charset=utf-8",
            "data": { "total": 7 }, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }))
        .unwrap();
        assert_eq!(event.entity.to_string(), "order/7/b");
        assert_eq!((event.source_event_id.as_deref(), event.data.get()), (Some("A-1"), r#"{"total":7}"#));
        assert_eq!(event.occurred_at.unwrap().to_string(), "2026-01-31T09:00:00.000Z");
    }

    #[test]
    fn every_broken_rule_is_named_with_its_attribute() {
        let broken = json!({
            "specversion": "0.3", "id": "", "source": "/other", "type": "a b", "subject": "order", "time": "now",
            "datacontenttype": "text/xml", "data_base64": "aGk=", "tenantid": "ten_x", "keyid": "key_x",
        });
        let fields = [
            "specversion",
            "source",
            "datacontenttype",
            "data_base64",
            "tenantid",
            "keyid",
            "subject",
            "type",
            "id",
            "time",
        ];
        assert_eq!(parsed(&broken).unwrap_err(), fields);
    }
}
