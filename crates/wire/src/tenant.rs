//! Tenants.

use keystile_core::{
    Invalid, KeyLabel, LogRequests, Name, OnLeak, RateLimit, Role, Tenant, TenantId, TenantPatch,
    TenantSettings, Timestamp, TrustLevel,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::key::RateLimitView;
use crate::patch::{Setting, never_null};
use crate::request_limits::limits_patch;
use crate::{Object, Patch, schema};

/// A tenant to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTenant {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: String,
    /// The tenant's part of its keys' text; `ks` by default.
    #[schema(schema_with = schema::maybe_label)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_label: Option<String>,
}

impl CreateTenant {
    /// The checked name and label.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(Name, KeyLabel), Vec<Invalid>> {
        let name = self.name.parse::<Name>().map_err(|invalid| invalid.at("name"));
        let label = self.key_label.as_deref().map_or_else(|| Ok(KeyLabel::default()), str::parse);
        match (name, label.map_err(|invalid| invalid.at("key_label"))) {
            (Ok(name), Ok(label)) => Ok((name, label)),
            (name, label) => Err(name.err().into_iter().chain(label.err()).collect()),
        }
    }
}

/// Name and settings of a tenant to change, as a JSON merge patch: `null` brings a default back.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchTenant {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub name: Option<String>,
    /// The tenant's part of the text of keys made from now on.
    #[schema(schema_with = schema::maybe_label)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub key_label: Patch<String>,
    /// Days after which the rotation of a secret is due; 90 by default.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 3650)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rotation_days: Patch<u16>,
    /// Whether its people need a second factor; they do not by default.
    #[schema(value_type = Option<bool>)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub mfa_required: Patch<bool>,
    /// How sources are treated whose key does not say; `external` by default.
    #[schema(schema_with = schema::maybe_trust_level)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub default_trust_level: Patch<String>,
    /// Days for which events are kept, counted from when they happened; 90 by default. As long after its last one an entity
    /// is forgotten.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 3650)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub event_days: Patch<u16>,
    /// Whether what a trusted source said of an entity gives way to what a less trusted one says later; it does not by
    /// default.
    #[schema(value_type = Option<bool>)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub less_trusted_overwrites: Patch<bool>,
    /// What becomes of keys that are reported as leaked; `notify` by default, which only tells of it.
    #[schema(schema_with = schema::maybe_on_leak)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub on_leak: Patch<String>,
    /// Which requests are logged; `all` by default.
    #[schema(schema_with = schema::maybe_log_requests)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub log_requests: Patch<String>,
    /// Days for which the request log is kept; 30 by default.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 730)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub log_days: Patch<u16>,
    /// Requests per minute of all its keys together.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rpm_limit: Patch<u64>,
    /// Further rate limits for them together, each with its own name.
    #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rate_limits: Patch<Vec<Object<RateLimit>>>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchTenant {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<TenantPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let defaults = TenantSettings::default();
        let name = broken.optional("name", self.name.as_deref());
        let label = broken.keep("key_label", self.key_label.try_map(|text| text.parse()));
        let trust = self.default_trust_level.try_map(|text| text.parse());
        let trust = broken.keep("default_trust_level", trust);
        let on_leak = broken.keep("on_leak", self.on_leak.try_map(|text| text.parse()));
        let log_requests = broken.keep("log_requests", self.log_requests.try_map(|text| text.parse()));
        let patch = TenantPatch {
            name,
            key_label: label.or_default(KeyLabel::default),
            rotation_days: self.rotation_days.or_default(|| defaults.rotation_days),
            mfa_required: self.mfa_required.or_default(|| defaults.mfa_required),
            default_trust_level: trust.or_default(|| defaults.default_trust_level),
            event_days: self.event_days.or_default(|| defaults.event_days),
            less_trusted_overwrites: self
                .less_trusted_overwrites
                .or_default(|| defaults.less_trusted_overwrites),
            on_leak: on_leak.or_default(|| defaults.on_leak),
            log_requests: log_requests.or_default(|| defaults.log_requests),
            log_days: self.log_days.or_default(|| defaults.log_days),
            limits: limits_patch(self.rpm_limit, self.rate_limits),
        };
        broken.or(Some(patch))
    }
}

/// A tenant, as its members see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    /// Which one.
    #[schema(schema_with = schema::tenant_id)]
    pub id: TenantId,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// The tenant's part of its keys' text.
    #[schema(schema_with = schema::label)]
    pub key_label: KeyLabel,
    /// Days after which the rotation of a secret is due.
    #[schema(minimum = 1, maximum = 3650)]
    pub rotation_days: u16,
    /// Whether its people need a second factor.
    pub mfa_required: bool,
    /// How sources are treated whose key does not say.
    #[schema(schema_with = schema::trust_level)]
    pub default_trust_level: TrustLevel,
    /// Days for which events are kept.
    #[schema(minimum = 1, maximum = 3650)]
    pub event_days: u16,
    /// Whether what a trusted source said of an entity gives way to what a less trusted one says later.
    pub less_trusted_overwrites: bool,
    /// What becomes of keys that are reported as leaked.
    #[schema(schema_with = schema::on_leak)]
    pub on_leak: OnLeak,
    /// Which requests are logged.
    #[schema(schema_with = schema::log_requests)]
    pub log_requests: LogRequests,
    /// Days for which the request log is kept.
    #[schema(minimum = 1, maximum = 730)]
    pub log_days: u16,
    /// Requests per minute of all its keys together.
    #[schema(required, minimum = 1, maximum = 1_000_000_000)]
    pub rpm_limit: Option<u64>,
    /// Further rate limits for them together.
    #[schema(value_type = Vec<RateLimitView>)]
    pub rate_limits: Vec<RateLimit>,
    /// The caller's role in it.
    #[schema(schema_with = schema::role)]
    pub role: Role,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl TenantView {
    /// The tenant as a member with `role` sees it.
    pub fn of(tenant: Tenant, role: Role) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            key_label: tenant.key_label,
            rotation_days: tenant.settings.rotation_days,
            mfa_required: tenant.settings.mfa_required,
            default_trust_level: tenant.settings.default_trust_level,
            event_days: tenant.settings.event_days,
            less_trusted_overwrites: tenant.settings.less_trusted_overwrites,
            on_leak: tenant.settings.on_leak,
            log_requests: tenant.settings.log_requests,
            log_days: tenant.settings.log_days,
            rpm_limit: tenant.limits.rpm,
            rate_limits: tenant.limits.rates,
            role,
            created_at: tenant.created_at,
            version: tenant.version,
        }
    }
}
