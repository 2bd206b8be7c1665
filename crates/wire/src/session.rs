//! Signing in, and the sessions that begin with it.

use std::net::IpAddr;

use keystile_core::{Email, Name, PersonId, Role, Secret, Session, SessionId, Tenant, TenantId, Timestamp};
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
    /// For a person with a second factor: the code that the authenticator shows.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub code: Option<Secret>,
    /// Or one of the recovery codes, which works once.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub recovery_code: Option<Secret>,
}

/// What is sent for a token, as the OpenAPI document tells it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TokenBody {
    /// By a person.
    Person(TokenRequest),
    /// Beside an API key.
    Key(Nothing),
}

/// A refresh token to exchange.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The latest one; each works once. One that is used twice ends the session.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub refresh_token: Secret,
}

/// Which sessions to end.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Logout {
    /// All of the person's, not only this one.
    pub everywhere: bool,
}

/// The body of a request that has nothing to say.
#[derive(Debug, Default, Deserialize, ToSchema)]
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
    /// For a person: exchange it at `/api/v1/auth/token/refresh` for the next pair, once.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub refresh_token: Option<Secret>,
    /// The tenant it is for.
    #[schema(schema_with = schema::maybe_tenant_id, required)]
    pub tenant_id: Option<TenantId>,
}

/// A session of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Which one.
    #[schema(schema_with = schema::session_id)]
    pub id: SessionId,
    /// The tenant its tokens are for.
    #[schema(schema_with = schema::maybe_tenant_id, required)]
    pub tenant_id: Option<TenantId>,
    /// When the person signed in.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When its tokens were made last.
    #[schema(schema_with = schema::time)]
    pub refreshed_at: Timestamp,
    /// When it ends unless it is refreshed.
    #[schema(schema_with = schema::time)]
    pub expires_at: Timestamp,
    /// Where the person signed in.
    #[schema(schema_with = schema::maybe_ip, required)]
    pub ip: Option<IpAddr>,
    /// With which program, as that calls itself.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// Whether a second factor was shown.
    pub second_factor: bool,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl SessionView {
    /// The session, as `current` sees it.
    pub fn of(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            tenant_id: session.tenant_id,
            created_at: session.created_at,
            refreshed_at: session.refreshed_at,
            expires_at: session.expires_at(),
            ip: session.ip,
            user_agent: session.user_agent,
            second_factor: session.second_factor,
            current: session.id == current,
        }
    }
}

/// A tenant that the person is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MyTenant {
    /// Which one.
    #[schema(schema_with = schema::tenant_id)]
    pub id: TenantId,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub name: Name,
    /// The person's role in it.
    #[schema(schema_with = schema::role)]
    pub role: Role,
    /// Whether it takes a second factor to enter.
    pub mfa_required: bool,
}

impl MyTenant {
    /// The tenant as a member with `role` sees it.
    pub fn of(tenant: Tenant, role: Role) -> Self {
        Self { id: tenant.id, name: tenant.name, role, mfa_required: tenant.settings.mfa_required }
    }
}

/// The person who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeView {
    /// Who.
    #[schema(schema_with = schema::person_id)]
    pub id: PersonId,
    /// The address to sign in with.
    #[schema(value_type = String)]
    pub email: Email,
    /// When the person was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// Whether the person has a second factor.
    pub second_factor: bool,
    /// The session that asks.
    pub session: SessionView,
    /// The person's tenants.
    pub tenants: Vec<MyTenant>,
}
