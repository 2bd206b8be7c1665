//! Keys as comma-separated values (RFC 4180).

use std::borrow::Cow;

use keystile_wire::CsvLine;
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

/// The line of names.
pub(super) fn header() -> String {
    CsvLine::of(&COLUMNS)
}

/// The line of a key.
pub(super) fn line(key: &Map<String, Value>) -> String {
    let mut line = CsvLine::default();
    for column in &COLUMNS {
        line.cell(cell(key.get(*column)));
    }
    line.end()
}

/// Texts as they are, lists and objects as JSON, and nothing for null.
fn cell(value: Option<&Value>) -> Option<Cow<'_, str>> {
    match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.into()),
        Some(other) => Some(other.to_string().into()),
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
    fn texts_are_told_as_they_are_and_the_rest_as_json() {
        let key = json!({ "id": "=1+1", "name": "a, b", "status": null, "scopes": ["a", "b"], "version": 3 });
        let line = line(key.as_object().unwrap());
        assert!(line.starts_with("'=1+1,\"a, b\",,,"), "{line}");
        assert!(line.contains(",\"[\"\"a\"\",\"\"b\"\"]\",") && line.ends_with(",3,,,,\r\n"), "{line}");
    }
}
