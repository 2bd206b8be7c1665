//! Applications.

use keystile_core::text::check_line;
use keystile_core::{
    Application, ApplicationId, ApplicationPatch, Invalid, Name, RateLimit, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::key::RateLimitView;
use crate::patch::{Setting, never_null};
use crate::request_limits::limits_patch;
use crate::{Object, Patch, schema};

/// Longest description, in characters.
pub(crate) const DESCRIPTION_MAX: usize = 500;

/// An application to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApplication {
    /// What people call it; unique in the tenant.
    #[schema(schema_with = schema::name)]
    pub name: String,
    /// What it is: 1–500 characters.
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Requests per minute of all its keys together.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm_limit: Option<u64>,
    /// Further rate limits for them together, each with its own name.
    #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<Vec<Object<RateLimit>>>,
}

impl CreateApplication {
    /// The checked name and settings.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<(Name, ApplicationPatch), Vec<Invalid>> {
        let mut broken = Broken::default();
        let name = broken.required("name", self.name.parse());
        let description = Patch::from(self.description).try_map(|text| check_line(&text, DESCRIPTION_MAX));
        let description = broken.keep("description", description).clearable();
        let limits = limits_patch(self.rpm_limit.into(), self.rate_limits.into());
        let settings = ApplicationPatch { description, limits, ..ApplicationPatch::default() };
        broken.or(name.map(|name| (name, settings)))
    }
}

/// Settings of an application to change, as a JSON merge patch: `null` clears a setting.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchApplication {
    /// What people call it; unique in the tenant.
    #[schema(schema_with = schema::name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub name: Option<String>,
    /// What it is: 1–500 characters.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub description: Patch<String>,
    /// Requests per minute of all its keys together.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rpm_limit: Patch<u64>,
    /// Further rate limits for them together, each with its own name.
    #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rate_limits: Patch<Vec<Object<RateLimit>>>,
    /// Whether it takes no new keys. Those it has stay good.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub archived: Option<bool>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchApplication {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<ApplicationPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let name = broken.optional("name", self.name.as_deref());
        let description = self.description.try_map(|text| check_line(&text, DESCRIPTION_MAX));
        let description = broken.keep("description", description).clearable();
        let limits = limits_patch(self.rpm_limit, self.rate_limits);
        broken.or(Some(ApplicationPatch { name, description, limits, archived: self.archived }))
    }
}

/// Which applications to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ApplicationListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Those that are archived, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_archived: Option<bool>,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationView {
    /// Which one.
    #[schema(schema_with = schema::application_id)]
    pub id: ApplicationId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// What it is.
    #[schema(required)]
    pub description: Option<String>,
    /// Requests per minute of all its keys together.
    #[schema(required, minimum = 1, maximum = 1_000_000_000)]
    pub rpm_limit: Option<u64>,
    /// Further rate limits for them together.
    #[schema(value_type = Vec<RateLimitView>)]
    pub rate_limits: Vec<RateLimit>,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// Whether it takes no new keys.
    pub archived: bool,
    /// Since when it takes no new keys.
    #[schema(schema_with = schema::maybe_time, required)]
    pub archived_at: Option<Timestamp>,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl From<Application> for ApplicationView {
    fn from(application: Application) -> Self {
        Self {
            id: application.id,
            tenant_id: application.tenant_id,
            name: application.name,
            description: application.description,
            rpm_limit: application.limits.rpm,
            rate_limits: application.limits.rates,
            created_at: application.created_at,
            archived: application.archived_at.is_some(),
            archived_at: application.archived_at,
            version: application.version,
        }
    }
}
