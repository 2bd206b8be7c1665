//! Making an installation one's own.

use keystile_core::{ApplicationId, Email, Invalid, Name, PersonId, Secret, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::schema;

/// The first person of an installation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    /// What stands behind the `#` of the link that the server wrote when it started.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// The address to sign in with.
    #[schema(schema_with = schema::email)]
    pub email: String,
    /// The password to be: 12 characters or more that cannot be guessed.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub password: Secret,
    /// What the first tenant is called; by default `Main`.
    #[schema(schema_with = schema::maybe_name)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
}

impl SetUp {
    /// What the first tenant is called when nobody says.
    pub const TENANT_NAME: &str = "Main";

    /// The checked address, and the name of the tenant.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(Email, Name), Vec<Invalid>> {
        let mut broken = Broken::default();
        let email = broken.required("email", self.email.parse());
        let name = self.tenant_name.as_deref().unwrap_or(Self::TENANT_NAME);
        let name = broken.required("tenant_name", name.parse());
        broken.or(email.zip(name))
    }
}

/// What an installation begins with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SetUpAnswer {
    /// The first person, who owns the tenant.
    #[schema(schema_with = schema::person_id)]
    pub person_id: PersonId,
    /// The first tenant.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Its first application.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
}
