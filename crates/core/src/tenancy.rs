//! Tenants, the people in them, and the applications keys are issued to.

use crate::{ApplicationId, Email, KeyLabel, Name, PersonId, Role, TenantId, Timestamp, TrustLevel};

/// A workspace. Everything but persons belongs to exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Which one.
    pub id: TenantId,
    /// What people call it.
    pub name: Name,
    /// The part of its keys' text that tells whose they are.
    pub key_label: KeyLabel,
    /// What holds for all its people and keys.
    pub settings: TenantSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts the writes, from 1.
    pub version: i64,
}

/// What holds for all people and keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSettings {
    /// Days after which the rotation of a secret is due.
    pub rotation_days: u16,
    /// Whether its people need a second factor.
    pub mfa_required: bool,
    /// How sources are treated whose key does not say.
    pub default_trust_level: TrustLevel,
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self { rotation_days: 90, mfa_required: false, default_trust_level: TrustLevel::External }
    }
}

/// A human with an email address and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Which one.
    pub id: PersonId,
    /// Unique over the installation.
    pub email: Email,
    /// Argon2id in PHC string form.
    pub password_hash: String,
    /// When the person was made.
    pub created_at: Timestamp,
    /// Since when signing in is refused.
    pub disabled_at: Option<Timestamp>,
}

/// Says who, never the password hash.
impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person's place in a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The member.
    pub person_id: PersonId,
    /// What the member may do.
    pub role: Role,
    /// When it began.
    pub created_at: Timestamp,
}

/// A product or service of a tenant, to which keys are issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    /// Which one.
    pub id: ApplicationId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// Unique within the tenant.
    pub name: Name,
    /// When it was made.
    pub created_at: Timestamp,
}
