//! Tenants.

use keystile_core::{Invalid, KeyLabel, Name, Role, Tenant, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

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
    /// The caller's role in it.
    #[schema(schema_with = schema::role)]
    pub role: Role,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
}

impl TenantView {
    /// The tenant as a member with `role` sees it.
    pub fn of(tenant: Tenant, role: Role) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name,
            key_label: tenant.key_label,
            role,
            created_at: tenant.created_at,
        }
    }
}
