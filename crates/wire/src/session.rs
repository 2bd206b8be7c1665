//! Signing in.

use keystile_core::{Secret, TenantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// A person's email address and password.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The address the person signed up with.
    pub email: String,
    /// The password.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub password: Secret,
    /// The tenant the token is for; by default the person's first.
    #[schema(schema_with = schema::maybe_tenant_id)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
}

/// The body of a request that has nothing to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A token for the management API.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenAnswer {
    /// A JWT; send it as `Authorization: Bearer …`.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub access_token: Secret,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// The tenant it is for.
    #[schema(schema_with = schema::maybe_tenant_id)]
    pub tenant_id: Option<TenantId>,
}
