//! Invitations into a tenant.

use keystile_core::{
    Email, Invalid, Invitation, InvitationId, Membership, Name, PersonId, Role, Secret, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::{MembershipView, schema};

/// Somebody to invite.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInvitation {
    /// Whom; the link is yours to send.
    #[schema(schema_with = schema::email)]
    pub email: String,
    /// What the new member may do; no more than you.
    #[schema(schema_with = schema::role)]
    pub role: String,
}

impl CreateInvitation {
    /// The checked address and role.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(Email, Role), Vec<Invalid>> {
        let mut broken = Broken::default();
        let email = broken.required("email", self.email.parse());
        let role = broken.required("role", self.role.parse());
        broken.or(email.zip(role))
    }
}

/// An open invitation. It never holds the token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InvitationView {
    /// Which one.
    #[schema(schema_with = schema::invitation_id)]
    pub id: InvitationId,
    /// The tenant.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// Who is invited.
    #[schema(schema_with = schema::email)]
    pub email: Email,
    /// What the new member may do.
    #[schema(schema_with = schema::role)]
    pub role: Role,
    /// The member who invites.
    #[schema(schema_with = schema::person_id)]
    pub invited_by: PersonId,
    /// When it was made.
    #[schema(schema_with = schema::time)]
    pub created_at: Timestamp,
    /// When its time is over.
    #[schema(schema_with = schema::time)]
    pub expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        let Invitation { id, tenant_id, email, role, digest: _, invited_by, created_at, expires_at } =
            invitation;
        Self { id, tenant_id, email, role, invited_by, created_at, expires_at }
    }
}

/// An invitation together with its token, which is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedInvitation {
    /// The invitation.
    #[serde(flatten)]
    pub invitation: InvitationView,
    /// Makes whoever holds it a member, once. It cannot be shown again.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// The console's page that takes the token: a path at this server. The token stands behind the `#`, which browsers do
    /// not send.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub link_path: Secret,
}

impl CreatedInvitation {
    /// The answer that shows the token.
    pub fn of(invitation: Invitation, token: Secret) -> Self {
        let link_path = Secret::new(format!("/console/invitation#{}", token.expose()));
        Self { invitation: invitation.into(), token, link_path }
    }
}

/// An invitation to accept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptInvitation {
    /// The token of the invitation.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// For somebody new: the password to be. For somebody who is known and has not signed in: the password they have,
    /// which stays as it is.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub password: Option<Secret>,
}

/// The place that an invitation gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedInvitation {
    /// The place.
    #[serde(flatten)]
    pub membership: MembershipView,
    /// The address to sign in with.
    #[schema(schema_with = schema::email)]
    pub email: Email,
    /// What the tenant is called.
    #[schema(schema_with = schema::name)]
    pub tenant_name: Name,
}

impl AcceptedInvitation {
    /// The answer for a new member.
    pub fn of(membership: Membership, email: Email, tenant_name: Name) -> Self {
        Self { membership: membership.into(), email, tenant_name }
    }
}
