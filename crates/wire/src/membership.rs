//! Members of a tenant.

use keystile_core::{Email, Invalid, Member, Membership, PersonId, Role, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// A person's place in a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MembershipView {
    /// The member.
    #[schema(schema_with = schema::person_id)]
    pub person_id: PersonId,
    /// The tenant.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// What the member may do.
    #[schema(schema_with = schema::role)]
    pub role: Role,
    /// When it began.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
}

impl From<Membership> for MembershipView {
    fn from(membership: Membership) -> Self {
        let Membership { tenant_id, person_id, role, created_at } = membership;
        Self { person_id, tenant_id, role, created_at }
    }
}

/// A member of a tenant, with the address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// The place.
    #[serde(flatten)]
    pub membership: MembershipView,
    /// The member's address.
    #[schema(schema_with = schema::email)]
    pub email: Email,
    /// Whether they were disabled, and so can do nothing here. Asked for by id or address, they are none.
    pub disabled: bool,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let Member { membership, email, disabled } = member;
        Self { membership: membership.into(), email, disabled }
    }
}

/// A member's new role.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchMembership {
    /// What the member may do from now on.
    #[schema(schema_with = schema::role)]
    pub role: String,
}

impl PatchMembership {
    /// The checked role.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<Role, Invalid> {
        self.role.parse::<Role>().map_err(|invalid| invalid.at("role"))
    }
}

/// Which members to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MemberListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only the member with this address, unless they were disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl MemberListQuery {
    /// The checked address.
    ///
    /// # Errors
    /// The broken rule.
    pub fn email(&self) -> Result<Option<Email>, Invalid> {
        let email = self.email.as_deref().map(str::parse::<Email>).transpose();
        email.map_err(|invalid| invalid.at("email"))
    }
}
