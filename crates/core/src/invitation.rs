//! Invitations into a tenant.

use std::time::Duration;

use crate::{Digest, Email, InvitationId, PersonId, Role, TenantId, Timestamp};

/// An open invitation. Whoever holds its one-time token may become a member; only the token's digest is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Which one.
    pub id: InvitationId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// Who is invited.
    pub email: Email,
    /// What the new member may do.
    pub role: Role,
    /// Of the token.
    pub digest: Digest,
    /// The member who invites. An invitation gives no more than that member could give when it is accepted.
    pub invited_by: PersonId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its time is over.
    pub expires_at: Timestamp,
}

impl Invitation {
    /// How long an invitation can be accepted.
    pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// Whether it can still be accepted.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}
