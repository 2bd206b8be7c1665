//! The record of a key, for people.

use keystile_core::{Grant, Grants, Timestamp};
use keystile_wire::KeyView;
use serde_json::{Map, Value};

use super::moment::ago;
use super::shared_limits::limit_lines;
use super::table::{fields, table};

/// Permissions that are told by name in a table.
const PERMISSIONS_SHOWN: usize = 2;

/// Keys as a table.
pub(crate) fn rows(keys: &[KeyView], now: Timestamp) -> String {
    let row = |key: &KeyView| {
        [
            key.id.to_string(),
            key.name.to_string(),
            key.environment.to_string(),
            standing(key),
            permissions_in_short(&key.scopes),
            recognisable(key),
            last_used(key, now),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    table(["ID", "NAME", "ENVIRONMENT", "STATUS", "PERMISSIONS", "KEY", "LAST USED"], &rows)
}

/// One key with everything that is set.
pub(crate) fn sheet(key: &KeyView, now: Timestamp) -> String {
    let mut pairs = vec![
        ("id", key.id.to_string()),
        ("name", key.name.to_string()),
        ("environment", key.environment.to_string()),
        ("status", standing(key)),
        ("key", recognisable(key)),
        ("kind", key.kind.clone()),
        ("application", key.application_id.to_string()),
        ("permissions", listed(key.scopes.iter().map(Grant::as_str), "none")),
        ("addresses", listed(key.allowed_ips.iter().map(String::as_str), "any")),
        ("trust level", key.trust_level.to_string()),
    ];
    pairs.extend(scope(key).into_iter().chain(limits(key)).chain(life(key, now)));
    fields(&pairs)
}

/// Where a key can be used, when that is restricted.
fn scope(key: &KeyView) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    push(&mut pairs, "source", key.source_id.clone());
    push(&mut pairs, "customer", key.customer_id.map(|id| id.to_string()));
    push(&mut pairs, "issued to", key.issued_to_user_id.clone().or_else(|| key.issued_to_service.clone()));
    if key.kind == "virtual_llm" {
        pairs.push(("models", listed(key.allowed_models.iter().map(String::as_str), "none")));
    }
    pairs
}

fn limits(key: &KeyView) -> Vec<(&'static str, String)> {
    let mut pairs = limit_lines(key.rpm_limit, &key.rate_limits);
    push(&mut pairs, "tokens", key.tpm_limit.map(|count| format!("{count} a minute")));
    let budget = |most| format!("${most} ({}), ${} spent", key.budget_period, key.spend_usd);
    push(&mut pairs, "budget", key.max_budget_usd.map(budget));
    pairs
}

fn life(key: &KeyView, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    push(&mut pairs, "expires", key.expires_at.map(|at| at.to_string()));
    push(&mut pairs, "blocked", key.blocked_reason.clone());
    let because =
        |reason: &Option<String>| reason.as_ref().map_or_else(String::new, |text| format!(", {text}"));
    push(&mut pairs, "revoked", key.revoked_at.map(|at| format!("{at}{}", because(&key.revoked_reason))));
    push(
        &mut pairs,
        "rotation",
        key.rotation_due_at.filter(|_| key.rotation_due).map(|at| format!("due since {at}")),
    );
    push(&mut pairs, "rotated from", key.rotated_from_key_id.map(|id| id.to_string()));
    pairs.extend(named("tag", &key.tags));
    pairs.extend(named("metadata", &key.metadata));
    push(&mut pairs, "written by", key.source.clone());
    pairs.push(("created", format!("{} by {}", key.created_at, key.created_by)));
    pairs.push(("last used", last_used(key, now)));
    push(&mut pairs, "used from", key.last_used_ip.clone());
    pairs.push(("version", key.version.to_string()));
    pairs
}

fn push(pairs: &mut Vec<(&'static str, String)>, name: &'static str, value: Option<String>) {
    pairs.extend(value.map(|value| (name, value)));
}

/// Each entry of a free-form object.
fn named<'a>(
    field: &'static str,
    object: &'a Map<String, Value>,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    object.iter().map(move |(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (field, format!("{name}={value}"))
    })
}

/// The status and what stands beside it.
fn standing(key: &KeyView) -> String {
    let blocked = if key.blocked { ", blocked" } else { "" };
    let deleted = if key.is_deleted { ", deleted" } else { "" };
    format!("{}{blocked}{deleted}", key.status)
}

/// The beginning and the end of the secret.
fn recognisable(key: &KeyView) -> String {
    format!("{}…{}", key.key_prefix, key.last4)
}

fn last_used(key: &KeyView, now: Timestamp) -> String {
    key.last_used_at.map_or_else(|| "never".to_owned(), |then| ago(then, now))
}

/// Texts behind each other, or what none of them means.
pub(crate) fn listed<'a>(texts: impl Iterator<Item = &'a str>, none: &str) -> String {
    let listed = texts.collect::<Vec<_>>().join(", ");
    if listed.is_empty() { none.to_owned() } else { listed }
}

fn permissions_in_short(scopes: &Grants) -> String {
    let shown = listed(scopes.iter().take(PERMISSIONS_SHOWN).map(Grant::as_str), "none");
    match scopes.iter().len().saturating_sub(PERMISSIONS_SHOWN) {
        0 => shown,
        more => format!("{shown} +{more}"),
    }
}

#[cfg(test)]
pub(crate) mod sample {
    use keystile_core::{BudgetPeriod, Environment, KeyStatus, SourceType, Timestamp, TrustLevel};
    use keystile_wire::KeyView;

    /// The moment at which tests look.
    pub(crate) fn now() -> Timestamp {
        "2026-01-31T09:30:00Z".parse().unwrap()
    }

    /// An active key without any restriction.
    pub(crate) fn key(name: &str) -> KeyView {
        let id = "key_01HF7YAT000000000000000001".parse().unwrap();
        KeyView {
            id,
            api_key_id: id,
            tenant_id: "ten_01HF7YAT000000000000000001".parse().unwrap(),
            application_id: "app_01HF7YAT000000000000000001".parse().unwrap(),
            app_id: None,
            customer_id: None,
            name: name.parse().unwrap(),
            environment: Environment::Production,
            kind: "service".into(),
            issued_to_user_id: None,
            issued_to_service: None,
            source_id: None,
            trust_level: TrustLevel::External,
            scopes: keystile_core::Grants::default(),
            allowed_ips: Vec::new(),
            allowed_models: Vec::new(),
            rpm_limit: None,
            tpm_limit: None,
            rate_limits: Vec::new(),
            max_budget_usd: None,
            budget_period: BudgetPeriod::Lifetime,
            spend_usd: 0.0,
            status: KeyStatus::Active,
            blocked: false,
            blocked_reason: None,
            revoked_at: None,
            revoked_reason: None,
            expires_at: None,
            last_used_at: None,
            last_used_ip: None,
            prefix: "sk_ks_li".into(),
            key_prefix: "sk_ks_live_aB3d".into(),
            last4: "9xYz".into(),
            key_fingerprint: "00".repeat(32),
            rotation_due: false,
            rotation_due_at: Some("2026-05-01T09:30:00Z".parse().unwrap()),
            rotated_from_key_id: None,
            lineage_id: id,
            created_by: "system".into(),
            created_by_user_id: None,
            updated_by: "system".into(),
            created_at: now(),
            updated_at: now(),
            is_deleted: false,
            deleted_at: None,
            deleted_by: None,
            source: None,
            source_type: SourceType::Api,
            tags: serde_json::Map::new(),
            metadata: serde_json::Map::new(),
            version: 1,
            schema_version: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{Environment, KeyStatus};

    use super::super::rate::rate_limit;
    use super::*;

    fn web() -> KeyView {
        KeyView { last_used_at: Some("2026-01-31T09:25:00Z".parse().unwrap()), ..sample::key("web") }
    }

    fn reports() -> KeyView {
        KeyView {
            environment: Environment::Staging,
            status: KeyStatus::Revoked,
            blocked: true,
            blocked_reason: Some("leaked".into()),
            scopes: Grants::parse(&["a:read", "b:read", "c:read"]).unwrap(),
            allowed_ips: vec!["10.0.0.0/8".into()],
            rpm_limit: Some(60),
            rate_limits: vec![rate_limit("5000/1d:daily,burst=50,when_away=refuse").unwrap()],
            max_budget_usd: Some(12.5),
            revoked_at: Some(sample::now()),
            revoked_reason: Some("left the company".into()),
            tags: serde_json::from_str(r#"{"cost": 7, "team": "payments"}"#).unwrap(),
            metadata: serde_json::from_str(r#"{"plan": "pro"}"#).unwrap(),
            source: Some("billing sync".into()),
            ..sample::key("nightly reports")
        }
    }

    #[test]
    fn keys_are_a_table() {
        let expected = "\
ID                              NAME             ENVIRONMENT  STATUS            PERMISSIONS        KEY                   LAST USED
key_01HF7YAT000000000000000001  web              production   active            none               sk_ks_live_aB3d…9xYz  5 min ago
key_01HF7YAT000000000000000001  nightly reports  staging      revoked, blocked  a:read, b:read +1  sk_ks_live_aB3d…9xYz  never
";
        assert_eq!(rows(&[web(), reports()], sample::now()), expected);
    }

    #[test]
    fn a_sheet_tells_when_a_key_was_last_used_and_from_where() {
        let used = KeyView { last_used_ip: Some("203.0.113.9".into()), ..web() };
        let sheet = sheet(&used, sample::now());
        assert!(sheet.contains("last used    5 min ago\nused from    203.0.113.9\n"), "{sheet}");
    }

    #[test]
    fn a_sheet_tells_everything_that_is_set() {
        let expected = "\
id           key_01HF7YAT000000000000000001
name         nightly reports
environment  staging
status       revoked, blocked
key          sk_ks_live_aB3d…9xYz
kind         service
application  app_01HF7YAT000000000000000001
permissions  a:read, b:read, c:read
addresses    10.0.0.0/8
trust level  external
requests     60 a minute
limit        daily: 5000 in 86400 s, 50 at once, when away: refuse
budget       $12.5 (lifetime), $0 spent
blocked      leaked
revoked      2026-01-31T09:30:00.000Z, left the company
tag          cost=7
tag          team=payments
metadata     plan=pro
written by   billing sync
created      2026-01-31T09:30:00.000Z by system
last used    never
version      1
";
        assert_eq!(sheet(&reports(), sample::now()), expected);
    }
}
