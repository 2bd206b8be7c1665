//! The columns of a key: the one description that inserts, reads and updates use.

use std::sync::LazyLock;

use keystile_core::key::{ModelPattern, Revocation, SecretFacts};
use keystile_core::{AllowedIps, ApiKey, Grants, KeyKind, Limits, NanoUsd, RequestLimits};
use serde_json::json;

use crate::StoreError;
use crate::row::{Read, Row};
use crate::value::Value;

/// When a column is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    /// At creation only.
    Once,
    /// At creation and by every change.
    Always,
    /// As `Always`, but never read: it is there to be searched.
    ForSearch,
}

struct Column {
    name: &'static str,
    written: Written,
    value: fn(&ApiKey) -> Value,
}

const fn once(name: &'static str, value: fn(&ApiKey) -> Value) -> Column {
    Column { name, written: Written::Once, value }
}

const fn always(name: &'static str, value: fn(&ApiKey) -> Value) -> Column {
    Column { name, written: Written::Always, value }
}

/// In the order in which [`read`] takes them.
const COLUMNS: &[Column] = &[
    once("id", |key| Value::text(key.id)),
    once("tenant_id", |key| Value::text(key.tenant_id)),
    once("application_id", |key| Value::text(key.application_id)),
    once("app_id", |key| Value::opt_text(key.app_id)),
    always("customer_id", |key| Value::opt_text(key.customer_id)),
    always("name", |key| Value::text(&key.name)),
    Column {
        name: "name_search",
        written: Written::ForSearch,
        value: |key| Value::Text(fold(key.name.as_str())),
    },
    once("environment", |key| Value::text(key.environment)),
    always("kind", |key| Value::text(key.kind.as_str())),
    always("issued_to_service", issued_to_service),
    always("issued_to_user_id", issued_to_user_id),
    always("allowed_models", allowed_models),
    always("source_id", |key| Value::opt_text(key.source_id.as_ref())),
    always("trust_level", |key| Value::text(key.trust_level)),
    always("scopes", |key| list(key.scopes.iter().map(|grant| grant.as_str().to_owned()))),
    always("allowed_ips", |key| list(key.allowed_ips.iter())),
    always("rpm_limit", |key| Value::count(key.limits.rpm)),
    always("tpm_limit", |key| Value::count(key.limits.tpm)),
    always("rate_limits", |key| Value::json(&json!(key.limits.rates))),
    always("max_budget_nano_usd", |key| key.limits.max_budget.map(NanoUsd::as_nanos).into()),
    always("budget_period", |key| Value::text(key.limits.budget_period)),
    always("spend_nano_usd", |key| key.limits.spend.as_nanos().into()),
    always("enabled", |key| key.enabled.into()),
    always("blocked_reason", |key| Value::opt_text(key.blocked.as_ref())),
    always("revoked_at", |key| key.revoked.as_ref().map(|end| end.at).into()),
    always("revoked_reason", |key| Value::opt_text(key.revoked.as_ref().and_then(|end| end.reason.as_ref()))),
    always("expires_at", |key| key.expires_at.into()),
    once("last_used_at", |key| key.last_used_at.into()),
    once("last_used_ip", |key| Value::opt_text(key.last_used_ip.as_ref())),
    always("digest", |key| key.secret.digest.into()),
    always("prefix", |key| Value::text(&key.secret.prefix)),
    always("key_prefix", |key| Value::text(&key.secret.key_prefix)),
    always("last4", |key| Value::text(&key.secret.last4)),
    always("secret_created_at", |key| key.secret_created_at.into()),
    once("rotated_from_key_id", |key| Value::opt_text(key.rotated_from_key_id)),
    once("lineage_id", |key| Value::text(key.lineage_id)),
    once("created_by", |key| Value::text(key.created_by)),
    always("updated_by", |key| Value::text(key.updated_by)),
    once("created_at", |key| key.created_at.into()),
    always("updated_at", |key| key.updated_at.into()),
    always("deleted_at", |key| key.deleted.map(|(at, _)| at).into()),
    always("deleted_by", |key| Value::opt_text(key.deleted.map(|(_, by)| by))),
    always("source", |key| Value::opt_text(key.source.as_ref())),
    always("source_type", |key| Value::text(key.source_type)),
    always("tags", |key| Value::json(&json!(key.tags))),
    always("metadata", |key| Value::json(&json!(key.metadata))),
    always("version", |key| key.version.into()),
    always("schema_version", |key| key.schema_version.into()),
];

/// `INSERT` of [`insert_values`].
pub(crate) static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
    let places: Vec<_> = (1..=COLUMNS.len()).map(|place| format!("${place}")).collect();
    format!("INSERT INTO api_keys ({}) VALUES ({})", names.join(", "), places.join(", "))
});

/// `UPDATE` with [`update_values`].
pub(crate) static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let changing = COLUMNS.iter().filter(|column| column.written != Written::Once);
    let set: Vec<_> =
        changing.zip(3..).map(|(column, place)| format!("{} = ${place}", column.name)).collect();
    format!("UPDATE api_keys SET {} WHERE tenant_id = $1 AND id = $2", set.join(", "))
});

/// What a `SELECT` names for [`read`].
pub(crate) static SELECTED: LazyLock<String> = LazyLock::new(|| {
    let read = COLUMNS.iter().filter(|column| column.written != Written::ForSearch);
    read.map(|column| column.name).collect::<Vec<_>>().join(", ")
});

/// Every column of a new key.
pub(crate) fn insert_values(key: &ApiKey) -> Vec<Value> {
    COLUMNS.iter().map(|column| (column.value)(key)).collect()
}

/// The values of [`SELECTED`].
pub(crate) fn read_values(key: &ApiKey) -> Vec<Value> {
    let read = COLUMNS.iter().filter(|column| column.written != Written::ForSearch);
    read.map(|column| (column.value)(key)).collect()
}

/// Tenant and id, and every column that may change.
pub(crate) fn update_values(key: &ApiKey) -> Vec<Value> {
    let changing = COLUMNS.iter().filter(|column| column.written != Written::Once);
    let which = [Value::text(key.tenant_id), Value::text(key.id)];
    which.into_iter().chain(changing.map(|column| (column.value)(key))).collect()
}

/// Refuses a change of what never changes, or not in this way.
pub(crate) fn check_change(before: &ApiKey, after: &ApiKey) -> Result<(), StoreError> {
    let mut once = COLUMNS.iter().filter(|column| column.written == Written::Once);
    match once.find(|column| (column.value)(before) != (column.value)(after)) {
        None => Ok(()),
        Some(column) => Err(StoreError::Refused(format!("a change of the column `{}`", column.name))),
    }
}

/// The form in which names are searched: the same on both engines and for every script.
pub(crate) fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Reads the columns of [`SELECTED`].
pub(crate) fn read(mut row: Row) -> Read<ApiKey> {
    let row = &mut row;
    Ok(ApiKey {
        id: row.parsed("id")?,
        tenant_id: row.parsed("tenant_id")?,
        application_id: row.parsed("application_id")?,
        app_id: row.opt_parsed("app_id")?,
        customer_id: row.opt_parsed("customer_id")?,
        name: row.parsed("name")?,
        environment: row.parsed("environment")?,
        kind: read_kind(row)?,
        source_id: row.opt_text("source_id")?,
        trust_level: row.parsed("trust_level")?,
        scopes: row.list("scopes", Grants::parse)?,
        allowed_ips: row.list("allowed_ips", AllowedIps::parse)?,
        limits: read_limits(row)?,
        enabled: row.truth("enabled")?,
        blocked: row.opt_text("blocked_reason")?,
        revoked: read_revocation(row)?,
        expires_at: row.opt_time("expires_at")?,
        last_used_at: row.opt_time("last_used_at")?,
        last_used_ip: row.opt_text("last_used_ip")?,
        secret: SecretFacts {
            digest: row.digest("digest")?,
            prefix: row.text("prefix")?,
            key_prefix: row.text("key_prefix")?,
            last4: row.text("last4")?,
        },
        secret_created_at: row.time("secret_created_at")?,
        rotated_from_key_id: row.opt_parsed("rotated_from_key_id")?,
        lineage_id: row.parsed("lineage_id")?,
        created_by: row.parsed("created_by")?,
        updated_by: row.parsed("updated_by")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted: row.opt_time("deleted_at")?.zip(row.opt_parsed("deleted_by")?),
        source: row.opt_text("source")?,
        source_type: row.parsed("source_type")?,
        tags: row.json("tags")?,
        metadata: row.json("metadata")?,
        version: row.int("version")?,
        schema_version: row.int("schema_version")?,
    })
}

/// Reads the four columns of a kind, `kind` to `allowed_models`.
pub(crate) fn read_kind(row: &mut Row) -> Read<KeyKind> {
    let kind = row.text("kind")?;
    let issued_to_service = row.opt_text("issued_to_service")?;
    let issued_to_user_id = row.opt_text("issued_to_user_id")?;
    let models = row.opt_text("allowed_models")?;
    match kind.as_str() {
        "service" => Ok(KeyKind::Service { issued_to_service }),
        "user" => Ok(KeyKind::User { issued_to_user_id }),
        "ingest" => Ok(KeyKind::Ingest),
        "virtual_llm" => {
            read_models(models.as_deref()).map(|allowed_models| KeyKind::VirtualLlm { allowed_models })
        }
        _ => Err(StoreError::Corrupt("column `kind` has no known form".to_owned())),
    }
}

fn read_models(models: Option<&str>) -> Read<Vec<ModelPattern>> {
    let corrupt = || StoreError::Corrupt("column `allowed_models` is not a list of models".to_owned());
    let models: Vec<String> = serde_json::from_str(models.unwrap_or("[]")).map_err(|_| corrupt())?;
    models.iter().map(|model| model.parse().map_err(|_| corrupt())).collect()
}

fn read_limits(row: &mut Row) -> Read<Limits> {
    Ok(Limits {
        rpm: row.opt_count("rpm_limit")?,
        tpm: row.opt_count("tpm_limit")?,
        rates: row.json("rate_limits")?,
        max_budget: row.opt_int("max_budget_nano_usd")?.map(NanoUsd::from_nanos),
        budget_period: row.parsed("budget_period")?,
        spend: NanoUsd::from_nanos(row.int("spend_nano_usd")?),
    })
}

/// Reads the two columns of limits on requests.
pub(crate) fn read_request_limits(row: &mut Row) -> Read<RequestLimits> {
    Ok(RequestLimits { rpm: row.opt_count("rpm_limit")?, rates: row.json("rate_limits")? })
}

/// The two columns of limits on requests.
pub(crate) fn request_limits(limits: &RequestLimits) -> [Value; 2] {
    [Value::count(limits.rpm), Value::json(&json!(limits.rates))]
}

fn read_revocation(row: &mut Row) -> Read<Option<Revocation>> {
    let at = row.opt_time("revoked_at")?;
    let reason = row.opt_text("revoked_reason")?;
    Ok(at.map(|at| Revocation { at, reason }))
}

fn issued_to_service(key: &ApiKey) -> Value {
    match &key.kind {
        KeyKind::Service { issued_to_service } => Value::opt_text(issued_to_service.as_ref()),
        KeyKind::User { .. } | KeyKind::Ingest | KeyKind::VirtualLlm { .. } => Value::Null,
    }
}

fn issued_to_user_id(key: &ApiKey) -> Value {
    match &key.kind {
        KeyKind::User { issued_to_user_id } => Value::opt_text(issued_to_user_id.as_ref()),
        KeyKind::Service { .. } | KeyKind::Ingest | KeyKind::VirtualLlm { .. } => Value::Null,
    }
}

fn allowed_models(key: &ApiKey) -> Value {
    match &key.kind {
        KeyKind::VirtualLlm { allowed_models } => {
            list(allowed_models.iter().map(|model| model.as_str().to_owned()))
        }
        KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => Value::Null,
    }
}

fn list(entries: impl Iterator<Item = String>) -> Value {
    Value::json(&serde_json::Value::from_iter(entries))
}
