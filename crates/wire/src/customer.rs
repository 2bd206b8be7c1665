//! Customers of a tenant.

use keystile_core::key::ObjectPatch;
use keystile_core::text::check_line;
use keystile_core::{Customer, CustomerId, CustomerPatch, Invalid, Name, RateLimit, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::broken::Broken;
use crate::key::RateLimitView;
use crate::patch::{Setting, never_null};
use crate::request_limits::limits_patch;
use crate::{Object, Patch, schema};

/// Longest external id, in characters.
const EXTERNAL_ID_MAX: usize = 200;

/// A customer to make. Only `name` is needed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCustomer {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: String,
    /// What your own systems call it: 1–200 characters, unique in the tenant.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Free-form facts: a JSON object of at most 16 KiB.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Requests per minute of all keys that are restricted to it together.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm_limit: Option<u64>,
    /// Further rate limits for them together, each with its own name.
    #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<Vec<Object<RateLimit>>>,
}

impl CreateCustomer {
    /// The checked name and settings.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<(Name, CustomerPatch), Vec<Invalid>> {
        let mut broken = Broken::default();
        let name = broken.required("name", self.name.parse());
        let external_id = Patch::from(self.external_id).try_map(|text| check_line(&text, EXTERNAL_ID_MAX));
        let external_id = broken.keep("external_id", external_id).clearable();
        let settings = CustomerPatch {
            external_id,
            metadata: self.metadata.map(ObjectPatch::Replace),
            limits: limits_patch(self.rpm_limit.into(), self.rate_limits.into()),
            ..CustomerPatch::default()
        };
        broken.or(name.map(|name| (name, settings)))
    }
}

/// Settings of a customer to change, as a JSON merge patch: `null` clears a setting.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchCustomer {
    /// What people call it.
    #[schema(schema_with = schema::name)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub name: Option<String>,
    /// What your own systems call it: 1–200 characters, unique in the tenant.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub external_id: Patch<String>,
    /// Free-form facts, merged member by member: null removes one. A JSON object of at most 16 KiB.
    #[schema(schema_with = schema::maybe_object)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub metadata: Patch<Map<String, Value>>,
    /// Requests per minute of all keys that are restricted to it together.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 1_000_000_000)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rpm_limit: Patch<u64>,
    /// Further rate limits for them together, each with its own name.
    #[schema(value_type = Option<Vec<RateLimitView>>, max_items = 10)]
    #[serde(default, skip_serializing_if = "Setting::is_absent")]
    pub rate_limits: Patch<Vec<Object<RateLimit>>>,
    /// Whether no new keys are restricted to it. Those that are stay good.
    #[schema(value_type = bool)]
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "never_null")]
    pub archived: Option<bool>,
    /// The version the change was made for; refused with 409 when the record has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

impl PatchCustomer {
    /// Checks every field.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(self) -> Result<CustomerPatch, Vec<Invalid>> {
        let mut broken = Broken::default();
        let name = broken.optional("name", self.name.as_deref());
        let external_id = self.external_id.try_map(|text| check_line(&text, EXTERNAL_ID_MAX));
        let external_id = broken.keep("external_id", external_id).clearable();
        let metadata = match self.metadata {
            Patch::Keep => None,
            Patch::Clear => Some(ObjectPatch::Replace(Map::new())),
            Patch::Write(members) => Some(ObjectPatch::Merge(members)),
        };
        let limits = limits_patch(self.rpm_limit, self.rate_limits);
        broken.or(Some(CustomerPatch { name, external_id, metadata, limits, archived: self.archived }))
    }
}

/// Which customers to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CustomerListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only customers whose name contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only the customer that your own systems call this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Those that are archived, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_archived: Option<bool>,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerView {
    /// Which one.
    #[schema(schema_with = schema::customer_id)]
    pub id: CustomerId,
    /// Whose.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// What your own systems call it.
    #[schema(schema_with = schema::maybe_line, required)]
    pub external_id: Option<String>,
    /// Free-form facts.
    #[schema(schema_with = schema::object)]
    pub metadata: Map<String, Value>,
    /// Requests per minute of all keys that are restricted to it together.
    #[schema(required, minimum = 1, maximum = 1_000_000_000)]
    pub rpm_limit: Option<u64>,
    /// Further rate limits for them together.
    #[schema(value_type = Vec<RateLimitView>)]
    pub rate_limits: Vec<RateLimit>,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// Whether no new keys are restricted to it.
    pub archived: bool,
    /// Since when no new keys are restricted to it.
    #[schema(schema_with = schema::maybe_time, required)]
    pub archived_at: Option<Timestamp>,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl From<Customer> for CustomerView {
    fn from(customer: Customer) -> Self {
        Self {
            id: customer.id,
            tenant_id: customer.tenant_id,
            name: customer.name,
            external_id: customer.external_id,
            metadata: customer.metadata,
            rpm_limit: customer.limits.rpm,
            rate_limits: customer.limits.rates,
            created_at: customer.created_at,
            archived: customer.archived_at.is_some(),
            archived_at: customer.archived_at,
            version: customer.version,
        }
    }
}
