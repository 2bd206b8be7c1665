//! Webhooks, and how deliveries to them go.

use std::str::FromStr;
use std::time::Duration;

use keystile_core::webhook::{Attempt, WebhookDraft, WebhookPatch, check_description};
use keystile_core::{
    Delivery, DeliveryId, DeliveryState, Environment, Invalid, KeyId, Secret, TenantId, Timestamp, Webhook,
    WebhookEvent, WebhookId, WebhookUrl, WhyDisabled,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::patch::{Setting, never_null};
use crate::{Patch, schema};

/// How long the secret before signs beside a new one, unless something else is asked for: a day, in seconds.
const USUAL_OVERLAP: u64 = 24 * 60 * 60;
/// Longest that it may, in seconds: a week.
pub const MAX_SECRET_OVERLAP: u64 = 7 * 24 * 60 * 60;

/// A webhook to make. Only `url` is needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// Where messages go, by POST: `https://…`, to a public address.
    #[schema(schema_with = schema::webhook_url)]
    pub url: String,
    /// What it is for; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it is told of; everything if left out or empty.
    #[schema(schema_with = schema::webhook_events)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub events: Option<Vec<String>>,
    /// Keys of which environments it is told of; all if left out or empty.
    #[schema(schema_with = schema::environments)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub environments: Option<Vec<String>>,
}

impl CreateWebhook {
    /// The checked webhook.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<WebhookDraft, Vec<Invalid>> {
        let mut broken = Broken::default();
        let url: Option<WebhookUrl> = broken.required("url", self.url.parse());
        let description = self.description.as_deref().map(check_description).transpose();
        let description = broken.required("description", description).flatten();
        let events = broken.required("events", list(self.events.as_deref(), WebhookEvent::ALL.len()));
        let environments =
            broken.required("environments", list(self.environments.as_deref(), Environment::ALL.len()));
        let (events, environments) = (events.unwrap_or_default(), environments.unwrap_or_default());
        broken.or(url.map(|url| WebhookDraft { url, description, events, environments }))
    }
}

/// Settings of a webhook to change, as a JSON merge patch: `null` clears a setting.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchWebhook {
    /// Where messages go, by POST: `https://…`, to a public address.
    #[schema(schema_with = schema::webhook_url)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub url: Option<String>,
    /// What it is for; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub description: Patch<String>,
    /// What it is told of; everything if empty.
    #[schema(schema_with = schema::webhook_events)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub events: Option<Vec<String>>,
    /// Keys of which environments it is told of; all if empty.
    #[schema(schema_with = schema::environments)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub environments: Option<Vec<String>>,
    /// Whether anything is sent to it. What happens while it is off waits, up to 30 days.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub enabled: Option<bool>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchWebhook {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<WebhookPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let url = broken.optional("url", self.url.as_deref());
        let description = self.description.try_map(|text| check_description(&text));
        let description = broken.keep("description", description).clearable();
        let events = self.events.map(|events| list(Some(&events), WebhookEvent::ALL.len())).transpose();
        let events = broken.required("events", events).flatten();
        let environments = self.environments.map(|all| list(Some(&all), Environment::ALL.len())).transpose();
        let environments = broken.required("environments", environments).flatten();
        broken.or(Some(WebhookPatch { url, description, events, environments, enabled: self.enabled }))
    }
}

/// Words of a list, each once.
fn list<T>(words: Option<&[String]>, most: usize) -> Result<Vec<T>, Invalid>
where
    T: FromStr<Err = Invalid> + PartialEq,
{
    let words = words.unwrap_or_default();
    if words.len() > most {
        return Err(Invalid::rule(format!("must have at most {most} entries")));
    }
    let mut all = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let member = word.parse().map_err(|invalid: Invalid| invalid.at(&format!("[{index}]")))?;
        if !all.contains(&member) {
            all.push(member);
        }
    }
    Ok(all)
}

/// A webhook. It never holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookView {
    /// Which one.
    #[schema(schema_with = schema::webhook_id)]
    pub id: WebhookId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Where messages go.
    #[schema(schema_with = schema::webhook_url)]
    pub url: WebhookUrl,
    /// What it is for.
    #[schema(schema_with = schema::maybe_line, required)]
    pub description: Option<String>,
    /// What it is told of; empty means everything.
    #[schema(schema_with = schema::webhook_events)]
    pub events: Vec<WebhookEvent>,
    /// Keys of which environments it is told of; empty means all.
    #[schema(schema_with = schema::environments)]
    pub environments: Vec<Environment>,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// Since when nothing is.
    #[schema(schema_with = schema::maybe_time, required)]
    pub disabled_at: Option<Timestamp>,
    /// Why: somebody switched it off (`by_hand`), it answered 410 (`gone`), or nothing could be delivered for three days
    /// (`failing`).
    #[schema(schema_with = schema::maybe_why_disabled, required)]
    pub disabled_reason: Option<WhyDisabled>,
    /// When something was delivered last.
    #[schema(schema_with = schema::maybe_time, required)]
    pub last_success_at: Option<Timestamp>,
    /// Since when it gives no answer at all.
    #[schema(schema_with = schema::maybe_time, required)]
    pub unreachable_since: Option<Timestamp>,
    /// Until when the secret that it had before signs beside the present one.
    #[schema(schema_with = schema::maybe_time, required)]
    pub old_secret_until: Option<Timestamp>,
    /// When it was made. Of what was before it is not told.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl From<Webhook> for WebhookView {
    fn from(webhook: Webhook) -> Self {
        let (disabled_at, disabled_reason) = webhook.disabled.unzip();
        Self {
            id: webhook.id,
            tenant_id: webhook.tenant_id,
            url: webhook.url,
            description: webhook.description,
            events: webhook.events,
            environments: webhook.environments,
            enabled: disabled_at.is_none(),
            disabled_at,
            disabled_reason,
            last_success_at: webhook.last_success_at,
            unreachable_since: webhook.unreachable_since,
            old_secret_until: webhook.old_secret_until,
            created_at: webhook.created_at,
            version: webhook.version,
        }
    }
}

/// A webhook together with its secret, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// `whsec_…`: give it to the receiver, which checks signatures with it. It cannot be shown again.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub secret: Secret,
}

impl CreatedWebhook {
    /// The answer that shows the secret.
    pub fn of(webhook: Webhook, secret: Secret) -> Self {
        Self { webhook: webhook.into(), secret }
    }
}

/// How a webhook gets its new secret.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateWebhookSecret {
    /// How long the secret before signs beside the new one, in seconds: a day if left out, at most a week; 0 ends it at once.
    #[schema(minimum = 0, maximum = 604_800)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_seconds: Option<u64>,
}

impl RotateWebhookSecret {
    /// The checked overlap.
    ///
    /// # Errors
    /// The broken rule.
    pub fn overlap(&self) -> Result<Duration, Invalid> {
        let seconds = self.overlap_seconds.unwrap_or(USUAL_OVERLAP);
        if seconds > MAX_SECRET_OVERLAP {
            return Err(Invalid::new("overlap_seconds", format!("must be from 0 to {MAX_SECRET_OVERLAP}")));
        }
        Ok(Duration::from_secs(seconds))
    }
}

/// How the message of the test button went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookTestView {
    /// Whether the receiver has it: whether it answered with 2xx.
    pub delivered: bool,
    /// The status of its answer; null if there was none.
    #[schema(required, minimum = 100, maximum = 999)]
    pub status: Option<u16>,
    /// What is wrong.
    #[schema(required)]
    pub error: Option<String>,
    /// The beginning of its answer, up to 1 KiB. Nobody has checked what it says.
    #[schema(required)]
    pub excerpt: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl From<Attempt> for WebhookTestView {
    fn from(attempt: Attempt) -> Self {
        let delivered = attempt.is_success();
        let Attempt { at: _, millis, status, error, excerpt } = attempt;
        Self { delivered, status, error, excerpt, duration_ms: millis }
    }
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeliveryListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only deliveries to this webhook.
    #[param(schema_with = schema::webhook_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<WebhookId>,
    /// Only those of which this became.
    #[param(schema_with = schema::delivery_state)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<DeliveryState>,
    /// Only those about this key.
    #[param(schema_with = schema::key_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
}

/// A message to a webhook, and how it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryView {
    /// Which one: `webhook-id` of each attempt.
    #[schema(schema_with = schema::delivery_id)]
    pub id: DeliveryId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Where it goes.
    #[schema(schema_with = schema::webhook_id)]
    pub webhook_id: WebhookId,
    /// The key that it is about.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// What it tells.
    #[schema(schema_with = schema::webhook_event)]
    pub event: WebhookEvent,
    /// When that happened.
    #[schema(schema_with = schema::time)]
    pub happened_at: Timestamp,
    /// `pending`: it is to be sent, or waits for an earlier one of the same key. `failed`: it was given up.
    #[schema(schema_with = schema::delivery_state)]
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next; null while it waits for an earlier one, or for its webhook to be switched on.
    #[schema(schema_with = schema::maybe_time, required)]
    pub next_attempt_at: Option<Timestamp>,
    /// When it was tried last.
    #[schema(schema_with = schema::maybe_time, required)]
    pub last_attempt_at: Option<Timestamp>,
    /// What the receiver answered then; null if it did not.
    #[schema(required, minimum = 100, maximum = 999)]
    pub last_status: Option<u16>,
    /// What was wrong.
    #[schema(required)]
    pub last_error: Option<String>,
    /// The beginning of the answer, up to 1 KiB. Nobody has checked what it says.
    #[schema(required)]
    pub last_excerpt: Option<String>,
    /// How long it took, in milliseconds.
    #[schema(required)]
    pub last_duration_ms: Option<u64>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let Delivery { id, tenant_id, webhook_id, key_id, event, happened_at, state, attempts, .. } =
            delivery;
        let last = delivery.last;
        Self {
            id,
            tenant_id,
            webhook_id,
            key_id,
            event,
            happened_at,
            state,
            attempts,
            next_attempt_at: delivery.next_attempt_at,
            last_attempt_at: last.as_ref().map(|last| last.at),
            last_status: last.as_ref().and_then(|last| last.status),
            last_duration_ms: last.as_ref().map(|last| last.millis),
            last_error: last.as_ref().and_then(|last| last.error.clone()),
            last_excerpt: last.and_then(|last| last.excerpt),
        }
    }
}

/// What to send anew: one delivery, or all that were given up since a time.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeliver {
    /// This one, whatever became of it.
    #[schema(schema_with = schema::maybe_delivery_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<DeliveryId>,
    /// All that were given up, and made then or later.
    #[schema(schema_with = schema::maybe_time)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What is sent anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// This delivery.
    One(DeliveryId),
    /// All that were given up, and made then or later.
    FailedSince(Timestamp),
}

impl Redeliver {
    /// The one of the two that is asked for.
    ///
    /// # Errors
    /// When it is none or both.
    pub fn parse(&self) -> Result<Anew, Invalid> {
        match (self.delivery_id, self.since) {
            (Some(id), None) => Ok(Anew::One(id)),
            (None, Some(since)) => Ok(Anew::FailedSince(since)),
            (None, None) => Err(Invalid::new("delivery_id", "must be given, or `since`")),
            (Some(_), Some(_)) => Err(Invalid::new("since", "must not stand beside `delivery_id`")),
        }
    }
}

/// How many deliveries are sent anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RedeliveredView {
    /// So many.
    pub redelivered: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<T>(parsed: Result<T, Vec<Invalid>>) -> Vec<String> {
        let broken = parsed.err().unwrap_or_default();
        broken.into_iter().map(|rule| rule.field.into_owned()).collect()
    }

    #[test]
    fn a_webhook_is_checked_field_by_field() {
        let good = CreateWebhook {
            url: "https://example.com/hook".to_owned(),
            events: Some(vec!["key.revoked".to_owned(), "key.revoked".to_owned()]),
            ..CreateWebhook::default()
        };
        let draft = good.parse().unwrap();
        assert_eq!((draft.events, draft.environments.len()), (vec![WebhookEvent::KeyRevoked], 0));
        let bad = CreateWebhook {
            url: "example.com".to_owned(),
            description: Some(String::new()),
            events: Some(vec!["key.revoked".to_owned(), "webhook.test".to_owned()]),
            environments: Some(vec!["production".to_owned(); 4]),
        };
        assert_eq!(fields(bad.parse()), ["url", "description", "events[1]", "environments"]);
    }

    #[test]
    fn what_a_patch_leaves_out_stays() {
        let read = |json: &str| serde_json::from_str::<PatchWebhook>(json).unwrap().parse().unwrap();
        assert_eq!(read("{}"), WebhookPatch::default());
        let cleared = read(r#"{"description": null, "events": [], "enabled": false}"#);
        assert_eq!((cleared.description, cleared.enabled), (Some(None), Some(false)));
        assert_eq!(cleared.events, Some(Vec::new()));
        for bad in [r#"{"events": null}"#, r#"{"enabled": null}"#, r#"{"secret": "x"}"#] {
            assert!(serde_json::from_str::<PatchWebhook>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_thing_is_sent_anew_at_a_time() {
        let read = |json: &str| serde_json::from_str::<Redeliver>(json).unwrap().parse();
        assert_eq!(read("{}").unwrap_err().field, "delivery_id");
        assert!(matches!(read(r#"{"since": "2026-01-31T00:00:00Z"}"#), Ok(Anew::FailedSince(_))));
        let id = DeliveryId::from_u128(1);
        assert_eq!(read(&format!(r#"{{"delivery_id": "{id}"}}"#)), Ok(Anew::One(id)));
    }

    #[test]
    fn an_overlap_is_a_day_unless_it_is_said() {
        let overlap = |overlap_seconds| RotateWebhookSecret { overlap_seconds }.overlap();
        assert_eq!(overlap(None), Ok(Duration::from_secs(USUAL_OVERLAP)));
        assert_eq!(overlap(Some(0)), Ok(Duration::ZERO));
        assert_eq!(overlap(Some(MAX_SECRET_OVERLAP + 1)).unwrap_err().field, "overlap_seconds");
    }
}
