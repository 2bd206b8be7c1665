//! What a message says: `{"type", "timestamp", "data"}`, with the record of the key as the API shows it.

use std::collections::HashMap;

use keystile_core::webhook::{BudgetNotice, Notice, NoticeKind, TEST_EVENT};
use keystile_core::{ApiKey, KeyId, Limits, SealedEntry, Timestamp, WebhookEvent, WebhookId};
use keystile_wire::KeyView;
use serde_json::{Value, json};

/// Something that happened to a key, for whoever wants to know of it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) event: WebhookEvent,
    pub(crate) happened_at: Timestamp,
    pub(crate) body: String,
}

/// How records are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) now: Timestamp,
    pub(crate) rotation_days: u16,
}

impl Shown {
    fn key(self, key: &ApiKey) -> Value {
        json!(KeyView::of(key.clone(), self.now, self.rotation_days))
    }
}

/// What an entry of the log tells, and the key that it is about; nothing of entries that are told to nobody.
pub(crate) fn of_entry<'k>(
    sealed: &SealedEntry,
    keys: &HashMap<KeyId, &'k ApiKey>,
    shown: Shown,
) -> Option<(&'k ApiKey, Message)> {
    let entry = &sealed.entry;
    let event = WebhookEvent::of(entry.action)?;
    let key_id: KeyId = entry.target.parse().ok()?;
    let key = *keys.get(&key_id)?;
    let mut data = json!({ "key": shown.key(key), "actor": entry.actor, "audit_id": entry.id });
    let changes: Value = serde_json::from_str(entry.changes.get()).unwrap_or_default();
    match event {
        WebhookEvent::KeyUpdated => data["changes"] = changes,
        WebhookEvent::KeyRotated => data["successor_key_id"] = changes["successor"]["after"].clone(),
        WebhookEvent::LeakReported => data["leak"] = changes,
        WebhookEvent::KeyCreated
        | WebhookEvent::KeyDisabled
        | WebhookEvent::KeyEnabled
        | WebhookEvent::KeyBlocked
        | WebhookEvent::KeyUnblocked
        | WebhookEvent::KeyRegenerated
        | WebhookEvent::KeyRevoked
        | WebhookEvent::KeyDeleted
        | WebhookEvent::KeyBudgetThreshold
        | WebhookEvent::KeyExpiring
        | WebhookEvent::KeyRotationDue
        | WebhookEvent::KeyUnused => {}
    }
    Some((key, Message { event, happened_at: entry.at, body: body(event.as_str(), entry.at, &data) }))
}

/// What became true of a key by time alone.
pub(crate) fn of_notice(key: &ApiKey, notice: &Notice, shown: Shown) -> Message {
    let (event, at) = (notice.event(), notice.at);
    let fact = match notice.kind {
        NoticeKind::Expiring => "days_left",
        NoticeKind::RotationDue => "rotation_days",
        NoticeKind::Unused => "unused_days",
    };
    let mut data = json!({ "key": shown.key(key) });
    data[fact] = notice.days.into();
    Message { event, happened_at: at, body: body(event.as_str(), at, &data) }
}

/// A part of a budget is spent. The record tells what is spent, too.
pub(crate) fn of_budget(key: &ApiKey, notice: &BudgetNotice, shown: Shown) -> Message {
    let BudgetNotice { percent, at, spent, max, period, ends_at } = notice;
    let limits = Limits { spend: *spent, ..key.limits.clone() };
    let data = json!({
        "key": shown.key(&ApiKey { limits, ..key.clone() }),
        "percent": percent,
        "spent_usd": spent.to_dollars(),
        "max_budget_usd": max.to_dollars(),
        "budget_period": period,
        "period_ends_at": ends_at,
    });
    let event = WebhookEvent::KeyBudgetThreshold;
    Message { event, happened_at: *at, body: body(event.as_str(), *at, &data) }
}

/// The message of the test button.
pub(crate) fn of_test(webhook_id: WebhookId, now: Timestamp) -> String {
    body(TEST_EVENT, now, &json!({ "webhook_id": webhook_id }))
}

fn body(event: &str, at: Timestamp, data: &Value) -> String {
    json!({ "type": event, "timestamp": at, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use keystile_core::webhook::{budget_notices, notices};
    use keystile_core::{
        Action, Actor, ApplicationId, AuditEntry, AuditId, BudgetPeriod, ChainHead, NanoUsd, RecordedEntry,
        Secret, TenantId,
    };
    use serde_json::value::RawValue;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const SHOWN: Shown = Shown { now: NOW, rotation_days: 90 };
    const SECRET: &str = "9f8e7d6c5b4a39281706f5e4";

    fn key() -> ApiKey {
        let (tenant, application) = (TenantId::from_u128(2), ApplicationId::from_u128(3));
        let made = Timestamp::from_millis(1_700_000_000_000);
        let (name, secret) = ("Web".parse().unwrap(), Secret::new(SECRET));
        ApiKey::new(KeyId::from_u128(1), tenant, application, name, &secret, Actor::System, made)
    }

    fn sealed(action: Action, target: &str, changes: &Value) -> SealedEntry {
        let tenant_id = TenantId::from_u128(2);
        let entry: RecordedEntry = AuditEntry {
            id: AuditId::from_u128(4),
            tenant_id,
            at: NOW,
            actor: Actor::System,
            action,
            target: target.to_owned(),
            ip: None,
            request_id: None,
            changes: RawValue::from_string(changes.to_string()).unwrap(),
        };
        ChainHead::empty(tenant_id).seal(entry)
    }

    fn said(action: Action, changes: &Value) -> Option<Value> {
        let key = key();
        let keys = HashMap::from([(key.id, &key)]);
        let (_, message) = of_entry(&sealed(action, &key.id.to_string(), changes), &keys, SHOWN)?;
        Some(serde_json::from_str(&message.body).unwrap())
    }

    #[test]
    fn a_message_tells_what_happened_to_which_key_and_no_secret() {
        let said = said(Action::KeyRevoke, &json!({})).unwrap();
        assert_eq!((&said["type"], &said["timestamp"]), (&json!("key.revoked"), &json!(NOW)));
        let data = &said["data"];
        assert_eq!(data["key"], json!(KeyView::of(key(), NOW, 90)));
        assert_eq!((&data["actor"], &data["audit_id"]), (&json!("system"), &json!(AuditId::from_u128(4))));
        assert!(!said.to_string().contains(SECRET));
    }

    #[test]
    fn what_belongs_to_an_event_is_told_with_it() {
        let changes = json!({ "name": { "before": "a", "after": "b" } });
        assert_eq!(said(Action::KeyUpdate, &changes).unwrap()["data"]["changes"], changes);
        let next = json!({ "successor": { "before": null, "after": "key_2" } });
        assert_eq!(said(Action::KeyRotate, &next).unwrap()["data"]["successor_key_id"], "key_2");
        let leak = json!({ "report": "leak_1", "place": "a gist", "done": "notified" });
        assert_eq!(said(Action::KeyLeak, &leak).unwrap()["data"]["leak"], leak);
        assert!(said(Action::CustomerCreate, &json!({})).is_none());
        let key = key();
        let unknown = sealed(Action::KeyRevoke, &KeyId::from_u128(9).to_string(), &json!({}));
        assert!(of_entry(&unknown, &HashMap::from([(key.id, &key)]), SHOWN).is_none());
    }

    #[test]
    fn a_budget_is_told_with_its_amounts_and_the_end_of_its_period() {
        let mut key = key();
        key.limits.max_budget = Some(NanoUsd::from_nanos(10_000_000_000));
        key.limits.budget_period = BudgetPeriod::Day;
        let spent = [7, 8].map(|dollars| NanoUsd::from_nanos(dollars * 1_000_000_000));
        let notice = budget_notices(&key.limits, spent.into(), NOW).remove(0);
        let message = of_budget(&key, &notice, SHOWN);
        let said: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!((&said["type"], &said["timestamp"]), (&json!("key.budget_threshold"), &json!(NOW)));
        let data = &said["data"];
        assert_eq!((&data["percent"], &data["budget_period"]), (&json!(80), &json!("day")));
        assert_eq!((&data["spent_usd"], &data["max_budget_usd"]), (&json!(8.0), &json!(10.0)));
        assert_eq!(data["period_ends_at"], json!(BudgetPeriod::Day.span_at(NOW).end));
        let record = (&data["key"]["id"], &data["key"]["tenant_id"], &data["key"]["spend_usd"]);
        assert_eq!(record, (&json!(key.id), &json!(key.tenant_id), &json!(8.0)));
    }

    #[test]
    fn a_notice_tells_its_days() {
        let key = key();
        let told: Vec<Value> = notices(&key, NOW, 90)
            .iter()
            .map(|notice| serde_json::from_str(&of_notice(&key, notice, SHOWN).body).unwrap())
            .collect();
        let facts: Vec<_> = told.iter().map(|said| said["type"].as_str().unwrap()).collect();
        assert_eq!(facts, ["key.rotation_due", "key.unused"]);
        assert_eq!(told[0]["data"]["rotation_days"], 90);
        assert_eq!(told[1]["data"]["unused_days"], 90);
    }
}
