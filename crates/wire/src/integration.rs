//! API keys under the names that integrations know them by.
//!
//! The same records as elsewhere. The tenant is never named: it is the caller's.

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{
    ApplicationId, Environment, Grants, Invalid, KeyId, KeyStatus, Name, PersonId, Secret, SourceType,
    TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::key_action::check_reason;
use crate::key_request::never_null;
use crate::patch::Setting;
use crate::{CreateKey, KeyView, Patch, PatchKey, schema};

/// The provenance of a write that does not say.
const SOURCE: &str = "edm";

/// Whether a key can be used. One that is switched off for a while counts as revoked, as here there is no other word
/// for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegrationStatus {
    /// It can.
    Active,
    /// It was ended, or switched off.
    Revoked,
    /// Its time is over.
    Expired,
}

impl From<KeyStatus> for IntegrationStatus {
    fn from(status: KeyStatus) -> Self {
        match status {
            KeyStatus::Active => Self::Active,
            KeyStatus::Inactive | KeyStatus::Revoked => Self::Revoked,
            KeyStatus::Expired => Self::Expired,
        }
    }
}

/// An API key issued to an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IntegrationKey {
    /// Which key.
    #[schema(schema_with = schema::key_id)]
    pub id: KeyId,
    /// The tenant it belongs to: the caller's.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The application for which automation made it; absent for a key that a person made.
    #[schema(schema_with = schema::application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<ApplicationId>,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When it was written last.
    #[schema(schema_with = schema::time)]
    pub updated_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Who wrote it last.
    pub updated_by: String,
    /// Provenance; `edm` unless it is said.
    #[schema(schema_with = schema::line)]
    pub source: String,
    /// Where the write originated.
    #[schema(schema_with = schema::source_type)]
    pub source_type: SourceType,
    /// Whether it was deleted; such keys are in no list by default.
    pub is_deleted: bool,
    /// When it was deleted.
    #[schema(schema_with = schema::maybe_time)]
    pub deleted_at: Option<Timestamp>,
    /// Who deleted it.
    #[schema(required)]
    pub deleted_by: Option<String>,
    /// Form of the record.
    #[schema(minimum = 1)]
    pub schema_version: i64,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// The first 8 characters of the raw key.
    pub prefix: String,
    /// What it is for.
    #[schema(schema_with = schema::kind)]
    pub kind: String,
    /// The user it was issued to, when its kind is `user`.
    #[schema(schema_with = schema::maybe_line)]
    pub issued_to_user_id: Option<String>,
    /// The service it was issued to, when its kind is `service`.
    #[schema(schema_with = schema::maybe_line)]
    pub issued_to_service: Option<String>,
    /// Permissions granted to it.
    #[schema(schema_with = schema::grants)]
    pub scopes: Grants,
    /// Models it may use, when its kind is `virtual_llm`.
    pub allowed_models: Vec<String>,
    /// Tokens per minute.
    #[schema(minimum = 1, required)]
    pub tpm_limit: Option<u64>,
    /// Requests per minute.
    #[schema(minimum = 1, required)]
    pub rpm_limit: Option<u64>,
    /// Most it may spend, in US dollars.
    #[schema(schema_with = schema::maybe_dollars)]
    pub max_budget_usd: Option<f64>,
    /// Spent so far, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub spend_usd: f64,
    /// Whether it is barred from making requests.
    pub blocked: bool,
    /// Why it is barred.
    #[schema(required)]
    pub blocked_reason: Option<String>,
    /// When it was last used, accurate to a minute.
    #[schema(schema_with = schema::maybe_time)]
    pub last_used_at: Option<Timestamp>,
    /// When its time is over; null for a key that does not expire.
    #[schema(schema_with = schema::maybe_time)]
    pub expires_at: Option<Timestamp>,
    /// The key it was rotated from.
    #[schema(schema_with = schema::maybe_key_id)]
    pub rotated_from_key_id: Option<KeyId>,
    /// The person who made it.
    #[schema(schema_with = schema::maybe_person_id)]
    pub created_by_user_id: Option<PersonId>,
    /// Free-form tags.
    #[schema(schema_with = schema::object)]
    pub tags: Map<String, Value>,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
    /// The application it belongs to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// SHA-256 of the raw key, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key_fingerprint: String,
    /// The beginning of the raw key, for people to recognise it.
    pub key_prefix: String,
    /// Whether it can be used now.
    pub status: IntegrationStatus,
}

impl From<KeyView> for IntegrationKey {
    fn from(key: KeyView) -> Self {
        Self {
            id: key.id,
            tenant_id: key.tenant_id,
            app_id: key.app_id,
            created_at: key.created_at,
            updated_at: key.updated_at,
            created_by: key.created_by,
            updated_by: key.updated_by,
            source: key.source.unwrap_or_else(|| SOURCE.to_owned()),
            source_type: key.source_type,
            is_deleted: key.is_deleted,
            deleted_at: key.deleted_at,
            deleted_by: key.deleted_by,
            schema_version: key.schema_version,
            name: key.name,
            prefix: key.prefix,
            kind: key.kind,
            issued_to_user_id: key.issued_to_user_id,
            issued_to_service: key.issued_to_service,
            scopes: key.scopes,
            allowed_models: key.allowed_models,
            tpm_limit: key.tpm_limit,
            rpm_limit: key.rpm_limit,
            max_budget_usd: key.max_budget_usd,
            spend_usd: key.spend_usd,
            blocked: key.blocked,
            blocked_reason: key.blocked_reason,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            rotated_from_key_id: key.rotated_from_key_id,
            created_by_user_id: key.created_by_user_id,
            tags: key.tags,
            version: key.version,
            application_id: key.application_id,
            key_fingerprint: key.key_fingerprint,
            key_prefix: key.key_prefix,
            status: key.status.into(),
        }
    }
}

/// A record together with its raw key, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedIntegrationKey {
    /// The record.
    #[serde(flatten)]
    pub key: IntegrationKey,
    /// The raw key. It cannot be shown again.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub secret: Secret,
    /// SHA-256 of the raw key, in hexadecimal; in this answer only.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key_hash: String,
}

impl CreatedIntegrationKey {
    /// The record of a key that has just got `secret`.
    pub fn of(key: KeyView, secret: Secret) -> Self {
        Self { key_hash: key.key_fingerprint.clone(), secret, key: key.into() }
    }
}

/// An API key to make. Only `name` is needed. It works where the caller's own key works; a person makes keys for
/// production.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateIntegrationKey {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: String,
    /// The application it belongs to; by default the caller's, or the tenant's first.
    #[schema(schema_with = schema::maybe_application_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// What it is for; `service` by default.
    #[schema(schema_with = schema::maybe_kind)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The user it is issued to, when its kind is `user`.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub issued_to_user_id: Option<String>,
    /// The service it is issued to, when its kind is `service`.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub issued_to_service: Option<String>,
    /// Permissions granted to it.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub scopes: Option<Vec<String>>,
    /// Models it may use, when its kind is `virtual_llm`.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub allowed_models: Option<Vec<String>>,
    /// Tokens per minute.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub tpm_limit: Option<u64>,
    /// Requests per minute.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rpm_limit: Option<u64>,
    /// Most it may spend, in US dollars.
    #[schema(schema_with = schema::maybe_dollars)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub max_budget_usd: Option<f64>,
    /// When its time is over.
    #[schema(schema_with = schema::maybe_time)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub expires_at: Option<String>,
    /// Provenance; `edm` by default.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub source: Option<String>,
    /// Where the write originated; `api` by default.
    #[schema(schema_with = schema::maybe_source_type)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub source_type: Option<String>,
    /// Free-form tags: a JSON object of at most 16 KiB.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub tags: Option<Map<String, Value>>,
}

impl CreateIntegrationKey {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self, environment: Environment) -> Result<KeyDraft, Vec<Invalid>> {
        let request = CreateKey {
            name: self.name,
            environment: Some(environment.to_string()),
            application_id: self.application_id,
            kind: self.kind,
            source: Some(self.source.unwrap_or_else(|| SOURCE.to_owned())),
            issued_to_user_id: self.issued_to_user_id,
            issued_to_service: self.issued_to_service,
            scopes: self.scopes,
            allowed_models: self.allowed_models,
            tpm_limit: self.tpm_limit,
            rpm_limit: self.rpm_limit,
            max_budget_usd: self.max_budget_usd,
            expires_at: self.expires_at,
            source_type: self.source_type,
            tags: self.tags,
            ..CreateKey::default()
        };
        request.parse()
    }
}

/// Settings of an API key to change, as a JSON merge patch: `null` clears a setting; `tags` are merged member by member.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchIntegrationKey {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub name: Option<String>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Whether it is barred from making requests; `true` needs a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Why it is barred; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_reason: Option<String>,
    /// The user it is issued to, when its kind is `user`.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub issued_to_user_id: Patch<String>,
    /// The service it is issued to, when its kind is `service`.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub issued_to_service: Patch<String>,
    /// Permissions granted to it.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub scopes: Patch<Vec<String>>,
    /// Models it may use, when its kind is `virtual_llm`.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub allowed_models: Patch<Vec<String>>,
    /// Tokens per minute.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub tpm_limit: Patch<u64>,
    /// Requests per minute.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rpm_limit: Patch<u64>,
    /// Most it may spend, in US dollars.
    #[schema(schema_with = schema::maybe_dollars)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub max_budget_usd: Patch<f64>,
    /// When its time is over.
    #[schema(schema_with = schema::maybe_time)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub expires_at: Patch<String>,
    /// Provenance; `edm` by default.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub source: Patch<String>,
    /// Where the write originated; `api` by default.
    #[schema(schema_with = schema::maybe_source_type)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub source_type: Patch<String>,
    /// Free-form tags: a JSON object of at most 16 KiB.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub tags: Patch<Map<String, Value>>,
}

impl PatchIntegrationKey {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<KeyPatch, Vec<Invalid>> {
        let blocked = parse_blocked(self.blocked, self.blocked_reason.as_deref());
        let request = PatchKey {
            name: self.name,
            source: self.source,
            issued_to_user_id: self.issued_to_user_id,
            issued_to_service: self.issued_to_service,
            scopes: self.scopes,
            allowed_models: self.allowed_models,
            tpm_limit: self.tpm_limit,
            rpm_limit: self.rpm_limit,
            max_budget_usd: self.max_budget_usd,
            expires_at: self.expires_at,
            source_type: self.source_type,
            tags: self.tags,
            ..PatchKey::default()
        };
        match (request.parse(), blocked) {
            (Ok(patch), Ok(blocked)) => Ok(KeyPatch { blocked, ..patch }),
            (patch, blocked) => Err(patch.err().into_iter().flatten().chain(blocked.err()).collect()),
        }
    }
}

fn parse_blocked(blocked: Option<bool>, reason: Option<&str>) -> Result<Option<Option<String>>, Invalid> {
    let rule = |text| Err(Invalid::new("blocked_reason", text));
    match (blocked, reason) {
        (None, None) => Ok(None),
        (Some(false), None) => Ok(Some(None)),
        (Some(true), None) => rule("is required with `blocked`: true"),
        (Some(true), Some(reason)) => check_reason(reason)
            .map(|reason| Some(Some(reason)))
            .map_err(|Invalid { rule, .. }| Invalid::new("blocked_reason", rule)),
        (None | Some(false), Some(_)) => rule("stands beside `blocked`: true only"),
    }
}

/// Which keys to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct IntegrationListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only keys in this status now.
    #[param(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<IntegrationStatus>,
    /// Only keys of this kind.
    #[param(schema_with = schema::kind)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only keys of this application.
    #[param(schema_with = schema::application_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// Only keys whose name contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only keys with this tag: its name, or `name:value`.
    #[param(min_length = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Deleted keys, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_deleted: Option<bool>,
}
