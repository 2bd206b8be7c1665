//! Providers of language models.

use keystile_core::llm::{ProviderDraft, ProviderPatch, check_credential};
use keystile_core::{
    BaseUrl, Environment, Invalid, Name, Protocol, Provider, ProviderId, Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::patch::{Setting, never_null};
use crate::{Patch, schema};

/// A provider to make.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateProvider {
    /// What people call it; unique in the tenant.
    #[schema(schema_with = schema::name)]
    pub name: String,
    /// What it speaks: `openai`, as most do, or `anthropic`. It never changes.
    #[schema(schema_with = schema::protocol)]
    pub protocol: String,
    /// What the URLs of its API begin with, such as `https://api.openai.com/v1`.
    #[schema(schema_with = schema::base_url)]
    pub base_url: String,
    /// The key that it was given by the provider: 1–512 visible ASCII characters. It is never shown again.
    #[schema(value_type = String, min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    #[serde(serialize_with = "crate::secret::send")]
    pub credential: Secret,
    /// Only keys of this environment are served; all if left out.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether anything is sent to it; true if left out.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub enabled: Option<bool>,
}

impl CreateProvider {
    /// The checked provider.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ProviderDraft, Vec<Invalid>> {
        let mut broken = Broken::default();
        let name: Option<Name> = broken.required("name", self.name.parse());
        let protocol: Option<Protocol> = broken.required("protocol", self.protocol.parse());
        let base_url: Option<BaseUrl> = broken.required("base_url", self.base_url.parse());
        let credential = broken.required("credential", check_credential(self.credential.expose()));
        let environment = broken.optional("environment", self.environment.as_deref());
        let enabled = self.enabled.unwrap_or(true);
        let parts = name.zip(protocol).zip(base_url.zip(credential));
        broken.or(parts.map(|((name, protocol), (base_url, credential))| ProviderDraft {
            name,
            protocol,
            base_url,
            credential,
            environment,
            enabled,
        }))
    }
}

/// Settings of a provider to change, as a JSON merge patch: `null` clears a setting.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchProvider {
    /// What people call it; unique in the tenant.
    #[schema(schema_with = schema::name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub name: Option<String>,
    /// What the URLs of its API begin with. With another host, or without encryption, the credential is needed again.
    #[schema(schema_with = schema::base_url)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub base_url: Option<String>,
    /// Another key of the provider's: 1–512 visible ASCII characters. It is never shown again.
    #[schema(value_type = String, min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional",
        deserialize_with = "never_null"
    )]
    pub credential: Option<Secret>,
    /// Only keys of this environment are served; all if cleared.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub environment: Patch<String>,
    /// Whether anything is sent to it.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub enabled: Option<bool>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchProvider {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ProviderPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let name = broken.optional("name", self.name.as_deref());
        let base_url = broken.optional("base_url", self.base_url.as_deref());
        let credential = self.credential.map(|given| check_credential(given.expose())).transpose();
        let credential = broken.required("credential", credential).flatten();
        let environment = self.environment.try_map(|text| text.parse::<Environment>());
        let environment = broken.keep("environment", environment).clearable();
        broken.or(Some(ProviderPatch { name, base_url, credential, environment, enabled: self.enabled }))
    }
}

/// A provider. It never holds the credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderView {
    /// Which one.
    #[schema(schema_with = schema::provider_id)]
    pub id: ProviderId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// What it speaks.
    #[schema(schema_with = schema::protocol)]
    pub protocol: Protocol,
    /// What the URLs of its API begin with.
    #[schema(schema_with = schema::base_url)]
    pub base_url: BaseUrl,
    /// The last four characters of its credential; null if that has fewer than 16.
    #[schema(schema_with = schema::maybe_line, required)]
    pub credential_hint: Option<String>,
    /// Only keys of this environment are served; null means all.
    #[schema(schema_with = schema::maybe_environment, required)]
    pub environment: Option<Environment>,
    /// Whether anything is sent to it.
    pub enabled: bool,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When it was written last.
    #[schema(schema_with = schema::time)]
    pub updated_at: Timestamp,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl ProviderView {
    /// A provider with what may be shown of its credential.
    pub fn of(provider: Provider, credential_hint: Option<String>) -> Self {
        Self {
            id: provider.id,
            tenant_id: provider.tenant_id,
            name: provider.name,
            protocol: provider.protocol,
            base_url: provider.base_url,
            credential_hint,
            environment: provider.environment,
            enabled: provider.enabled,
            created_at: provider.created_at,
            updated_at: provider.updated_at,
            version: provider.version,
        }
    }
}
