//! API keys under the names that integrations know them by.
//!
//! The same records as elsewhere. The tenant is never named: it is the caller's.

use keystile_core::{
    ApplicationId, Grants, KeyId, KeyStatus, Name, PersonId, Secret, SourceType, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{KeyView, schema};

/// The provenance of a write that does not say.
pub(crate) const SOURCE: &str = "edm";

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
    #[schema(schema_with = schema::maybe_time, required)]
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
    #[schema(schema_with = schema::maybe_line, required)]
    pub issued_to_user_id: Option<String>,
    /// The service it was issued to, when its kind is `service`.
    #[schema(schema_with = schema::maybe_line, required)]
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
    #[schema(schema_with = schema::maybe_dollars, required)]
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
    #[schema(schema_with = schema::maybe_time, required)]
    pub last_used_at: Option<Timestamp>,
    /// When its time is over; null for a key that does not expire.
    #[schema(schema_with = schema::maybe_time, required)]
    pub expires_at: Option<Timestamp>,
    /// The key it was rotated from.
    #[schema(schema_with = schema::maybe_key_id, required)]
    pub rotated_from_key_id: Option<KeyId>,
    /// The person who made it.
    #[schema(schema_with = schema::maybe_person_id, required)]
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
