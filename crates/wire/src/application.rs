//! Applications.

use keystile_core::{Application, ApplicationId, Invalid, Name, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// An application to make.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApplication {
    /// What people call it; unique in the tenant.
    #[schema(schema_with = schema::name)]
    pub name: String,
}

impl CreateApplication {
    /// The checked name.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<Name, Invalid> {
        self.name.parse::<Name>().map_err(|invalid| invalid.at("name"))
    }
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
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
}

impl From<Application> for ApplicationView {
    fn from(application: Application) -> Self {
        let Application { id, tenant_id, name, created_at } = application;
        Self { id, tenant_id, name, created_at }
    }
}
