//! Keys as comma-separated values (RFC 4180).

use serde_json::{Map, Value};

/// The columns, those first by which people know a key.
const COLUMNS: [&str; 51] = [
    "id",
    "name",
    "environment",
    "status",
    "kind",
    "application_id",
    "customer_id",
    "source_id",
    "issued_to_user_id",
    "issued_to_service",
    "trust_level",
    "scopes",
    "allowed_ips",
    "allowed_models",
    "rpm_limit",
    "tpm_limit",
    "rate_limits",
    "max_budget_usd",
    "budget_period",
    "spend_usd",
    "blocked",
    "blocked_reason",
    "revoked_at",
    "revoked_reason",
    "expires_at",
    "last_used_at",
    "last_used_ip",
    "prefix",
    "key_prefix",
    "last4",
    "rotation_due",
    "rotation_due_at",
    "rotated_from_key_id",
    "lineage_id",
    "created_by",
    "created_by_user_id",
    "updated_by",
    "created_at",
    "updated_at",
    "is_deleted",
    "deleted_at",
    "deleted_by",
    "source",
    "source_type",
    "tags",
    "metadata",
    "version",
    "schema_version",
    "tenant_id",
    "app_id",
    "api_key_id",
];

/// With what a program that shows tables takes a text for a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// The line of names.
pub(super) fn header() -> String {
    COLUMNS.join(",") + "\r\n"
}

/// The line of a key.
pub(super) fn line(key: &Map<String, Value>) -> String {
    let values: Vec<_> = COLUMNS.iter().map(|column| value(key.get(*column))).collect();
    values.join(",") + "\r\n"
}

/// Texts as they are, but for a `'` before what would be a formula; lists and objects as JSON; nothing for null.
fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.starts_with(FORMULA) => quoted(&format!("'{text}")),
        Some(Value::String(text)) => quoted(text),
        Some(other) => quoted(&other.to_string()),
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use keystile_core::{Actor, ApiKey, ApplicationId, KeyId, Secret, TenantId, Timestamp};
    use keystile_wire::KeyView;
    use serde_json::json;

    use super::super::result::fields;
    use super::*;

    #[test]
    fn every_field_of_a_key_has_a_column() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let (id, tenant) = (KeyId::from_parts(at, 1), TenantId::from_parts(at, 1));
        let (app, secret) = (ApplicationId::from_parts(at, 1), Secret::new("9f8e7d6c5b4a39281706f5e4"));
        let key = ApiKey::new(id, tenant, app, "web".parse().unwrap(), &secret, Actor::System, at);
        let fields = fields(&KeyView::of(key, at, 90));
        let named: BTreeSet<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(named, COLUMNS.into_iter().collect());
    }

    #[test]
    fn what_would_end_a_field_or_begin_a_formula_does_not() {
        assert_eq!(value(Some(&json!("a \"b\", c"))), "\"a \"\"b\"\", c\"");
        assert_eq!(value(Some(&json!("=1+1"))), "'=1+1");
        assert_eq!(value(Some(&json!(["a", "b"]))), "\"[\"\"a\"\",\"\"b\"\"]\"");
        assert_eq!(value(Some(&json!(-5))), "-5");
        assert_eq!(value(None), "");
    }
}
