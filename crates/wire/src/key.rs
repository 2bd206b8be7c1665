//! API keys in answers.

use keystile_core::{
    ApiKey, ApplicationId, BudgetPeriod, CustomerId, Environment, Grants, KeyId, KeyKind, KeyStatus, Name,
    PersonId, RateLimit, Secret, SourceType, TenantId, Timestamp, TrustLevel, WhenAway,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::schema;

/// The record of an API key. It never holds the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// Which key.
    #[schema(schema_with = schema::key_id)]
    pub id: KeyId,
    /// The same as `id`.
    #[schema(schema_with = schema::key_id)]
    pub api_key_id: KeyId,
    /// The tenant it belongs to.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The application it was issued to.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// The application for which automation made it; null for a key that a person made.
    #[schema(schema_with = schema::maybe_application_id, required)]
    pub app_id: Option<ApplicationId>,
    /// The customer it is restricted to.
    #[schema(schema_with = schema::maybe_customer_id, required)]
    pub customer_id: Option<CustomerId>,
    /// What operators call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// The only environment it works in.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// What it is for.
    #[schema(schema_with = schema::kind)]
    pub kind: String,
    /// The user it was issued to, with kind `user`.
    #[schema(schema_with = schema::maybe_line, required)]
    pub issued_to_user_id: Option<String>,
    /// The service it was issued to, with kind `service`.
    #[schema(schema_with = schema::maybe_line, required)]
    pub issued_to_service: Option<String>,
    /// Stable name of the sending system.
    #[schema(schema_with = schema::maybe_word, required)]
    pub source_id: Option<String>,
    /// How that system should be treated.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
    /// Permissions it holds.
    #[schema(schema_with = schema::grants)]
    pub scopes: Grants,
    /// Networks it may be used from; empty means any.
    pub allowed_ips: Vec<String>,
    /// Models it may use, with kind `virtual_llm`; empty means none.
    pub allowed_models: Vec<String>,
    /// Requests per minute.
    #[schema(minimum = 1, required)]
    pub rpm_limit: Option<u64>,
    /// Tokens per minute.
    #[schema(minimum = 1, required)]
    pub tpm_limit: Option<u64>,
    /// Further rate limits.
    #[schema(value_type = Vec<RateLimitView>)]
    pub rate_limits: Vec<RateLimit>,
    /// Most it may spend in a period, in US dollars.
    #[schema(schema_with = schema::maybe_dollars, required)]
    pub max_budget_usd: Option<f64>,
    /// How long the budget lasts.
    #[schema(schema_with = schema::budget_period)]
    pub budget_period: BudgetPeriod,
    /// Spent so far, in US dollars.
    #[schema(schema_with = schema::dollars)]
    pub spend_usd: f64,
    /// Whether it can be used now, and if not, why.
    #[schema(schema_with = schema::status)]
    pub status: KeyStatus,
    /// Whether it is barred.
    pub blocked: bool,
    /// Why it is barred.
    #[schema(required)]
    pub blocked_reason: Option<String>,
    /// When it was ended for good.
    #[schema(schema_with = schema::maybe_time, required)]
    pub revoked_at: Option<Timestamp>,
    /// Why it was ended.
    #[schema(required)]
    pub revoked_reason: Option<String>,
    /// When its time is over.
    #[schema(schema_with = schema::maybe_time, required)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, accurate to a minute.
    #[schema(schema_with = schema::maybe_time, required)]
    pub last_used_at: Option<Timestamp>,
    /// The address it was last used from.
    #[schema(schema_with = schema::maybe_ip, required)]
    pub last_used_ip: Option<String>,
    /// The first 8 characters of the secret.
    pub prefix: String,
    /// The beginning of the secret, up to and with 4 characters of its random part.
    pub key_prefix: String,
    /// The last 4 characters of the secret.
    pub last4: String,
    /// SHA-256 of the secret, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key_fingerprint: String,
    /// Whether its secret is older than the tenant lets secrets grow.
    pub rotation_due: bool,
    /// When that is so; null for a key that has ended.
    #[schema(schema_with = schema::maybe_time, required)]
    pub rotation_due_at: Option<Timestamp>,
    /// The key it was rotated from.
    #[schema(schema_with = schema::maybe_key_id, required)]
    pub rotated_from_key_id: Option<KeyId>,
    /// The first key of its chain of rotations.
    #[schema(schema_with = schema::key_id)]
    pub lineage_id: KeyId,
    /// Who made it: a person, a key or `system`.
    pub created_by: String,
    /// The person who made it.
    #[schema(schema_with = schema::maybe_person_id, required)]
    pub created_by_user_id: Option<PersonId>,
    /// Who wrote it last.
    pub updated_by: String,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When it was written last.
    #[schema(schema_with = schema::time)]
    pub updated_at: Timestamp,
    /// Whether it was taken out of the lists.
    pub is_deleted: bool,
    /// When it was taken out of the lists.
    #[schema(schema_with = schema::maybe_time, required)]
    pub deleted_at: Option<Timestamp>,
    /// Who took it out of the lists.
    #[schema(required)]
    pub deleted_by: Option<String>,
    /// Provenance of the write.
    #[schema(schema_with = schema::maybe_line, required)]
    pub source: Option<String>,
    /// Where the write originated.
    #[schema(schema_with = schema::source_type)]
    pub source_type: SourceType,
    /// Free-form tags.
    #[schema(schema_with = schema::object)]
    pub tags: Map<String, Value>,
    /// Free-form facts, told with every verification.
    #[schema(schema_with = schema::object)]
    pub metadata: Map<String, Value>,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
    /// Form of the record.
    #[schema(minimum = 1)]
    pub schema_version: i64,
}

impl KeyView {
    /// The record as it stands at `now`, in a tenant whose secrets are rotated after `rotation_days`.
    pub fn of(key: ApiKey, now: Timestamp, rotation_days: u16) -> Self {
        let rotation_due_at = key.rotation_due_at(now, rotation_days);
        let status = key.status(now);
        let kind = key.kind.as_str().to_owned();
        let (issued_to_user_id, issued_to_service, allowed_models) = kind_fields(key.kind);
        let (revoked_at, revoked_reason) = key.revoked.map(|end| (end.at, end.reason)).unzip();
        let (deleted_at, deleted_by) = key.deleted.map(|(at, by)| (at, by.to_string())).unzip();
        Self {
            id: key.id,
            api_key_id: key.id,
            tenant_id: key.tenant_id,
            application_id: key.application_id,
            app_id: key.app_id,
            customer_id: key.customer_id,
            name: key.name,
            environment: key.environment,
            kind,
            issued_to_user_id,
            issued_to_service,
            source_id: key.source_id,
            trust_level: key.trust_level,
            scopes: key.scopes,
            allowed_ips: key.allowed_ips.iter().collect(),
            allowed_models,
            rpm_limit: key.limits.rpm,
            tpm_limit: key.limits.tpm,
            rate_limits: key.limits.rates,
            max_budget_usd: key.limits.max_budget.map(keystile_core::NanoUsd::to_dollars),
            budget_period: key.limits.budget_period,
            spend_usd: key.limits.spend.to_dollars(),
            status,
            blocked: key.blocked.is_some(),
            blocked_reason: key.blocked,
            revoked_at,
            revoked_reason: revoked_reason.flatten(),
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            last_used_ip: key.last_used_ip,
            prefix: key.secret.prefix,
            key_prefix: key.secret.key_prefix,
            last4: key.secret.last4,
            key_fingerprint: key.secret.digest.to_hex(),
            rotation_due: rotation_due_at.is_some_and(|due| due <= now),
            rotation_due_at,
            rotated_from_key_id: key.rotated_from_key_id,
            lineage_id: key.lineage_id,
            created_by: key.created_by.to_string(),
            created_by_user_id: key.created_by.person(),
            updated_by: key.updated_by.to_string(),
            created_at: key.created_at,
            updated_at: key.updated_at,
            is_deleted: deleted_at.is_some(),
            deleted_at,
            deleted_by,
            source: key.source,
            source_type: key.source_type,
            tags: key.tags,
            metadata: key.metadata,
            version: key.version,
            schema_version: key.schema_version,
        }
    }
}

fn kind_fields(kind: KeyKind) -> (Option<String>, Option<String>, Vec<String>) {
    match kind {
        KeyKind::User { issued_to_user_id } => (issued_to_user_id, None, Vec::new()),
        KeyKind::Service { issued_to_service } => (None, issued_to_service, Vec::new()),
        KeyKind::Ingest => (None, None, Vec::new()),
        KeyKind::VirtualLlm { allowed_models } => {
            (None, None, allowed_models.iter().map(|model| model.as_str().to_owned()).collect())
        }
    }
}

/// A rate limit beside `rpm_limit`: `limit` requests in `window_seconds`, of which `burst` may come at once.
#[derive(ToSchema)]
#[schema(as = RateLimit)]
#[expect(dead_code, reason = "only describes `keystile_core::RateLimit` in the OpenAPI document")]
pub(crate) struct RateLimitView {
    /// What the limit is called in answers: not `rpm` or `tpm`, and unlike the others beside it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Requests per window.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    limit: u64,
    /// Length of the window, up to 31 days.
    #[schema(minimum = 1, maximum = 2_678_400)]
    window_seconds: u64,
    /// Requests that may come at once; `limit` by default.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    burst: Option<u64>,
    /// What becomes of requests while the count that nodes share cannot be reached: `refuse` refuses them, and `local_share` has each
    /// node admit its part of the limit. Left out, it is as the server is set, as it always is for `rpm_limit` and `tpm_limit`.
    #[schema(schema_with = schema::maybe_when_away)]
    when_away: Option<WhenAway>,
}

/// A record together with its secret, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedKey {
    /// The record.
    #[serde(flatten)]
    pub key: KeyView,
    /// The secret. It cannot be shown again.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub secret: Secret,
    /// SHA-256 of the secret, in hexadecimal; shown as `key_fingerprint` afterwards.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub key_hash: String,
}

impl CreatedKey {
    /// The record of a key that has just got `secret`.
    pub fn of(key: KeyView, secret: Secret) -> Self {
        Self { key_hash: key.key_fingerprint.clone(), secret, key }
    }
}
