//! API keys in the requests of integrations.

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{ApplicationId, Environment, Invalid};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::integration::SOURCE;
use crate::key_action::check_reason;
use crate::patch::{Setting, never_null};
use crate::{CreateKey, IntegrationStatus, Patch, PatchKey, schema};

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
