//! Customers of a tenant, to whom keys can be restricted.

use serde_json::{Map, Value};

use crate::key::{ObjectPatch, check_object, write};
use crate::tenancy::archive;
use crate::{CustomerId, Invalid, Name, RequestLimits, RequestLimitsPatch, TenantId, Timestamp};

/// A customer of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// Which one.
    pub id: CustomerId,
    /// The tenant.
    pub tenant_id: TenantId,
    /// What people call it.
    pub name: Name,
    /// What the tenant's own systems call it; unique within the tenant.
    pub external_id: Option<String>,
    /// Free-form facts: a JSON object of at most 16 KiB.
    pub metadata: Map<String, Value>,
    /// How often all keys that are restricted to it may be used together.
    pub limits: RequestLimits,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when no new keys are restricted to it; those that are stay good.
    pub archived_at: Option<Timestamp>,
    /// Counts the writes, from 1.
    pub version: i64,
}

/// What to write of a customer; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CustomerPatch {
    /// What people call it.
    pub name: Option<Name>,
    /// What the tenant's own systems call it.
    pub external_id: Option<Option<String>>,
    /// Free-form facts.
    pub metadata: Option<ObjectPatch>,
    /// How often all its keys together may be used.
    pub limits: RequestLimitsPatch,
    /// Whether no new keys are restricted to it.
    pub archived: Option<bool>,
}

impl CustomerPatch {
    /// Writes it into `customer`, at `now`.
    ///
    /// # Errors
    /// For a limit that breaks a rule, and for metadata that is too long or holds U+0000. The customer may then be half written and must be thrown away.
    pub fn apply(self, customer: &mut Customer, now: Timestamp) -> Result<(), Invalid> {
        self.limits.apply(&mut customer.limits)?;
        write(&mut customer.name, self.name);
        write(&mut customer.external_id, self.external_id);
        if let Some(metadata) = self.metadata {
            metadata.apply(&mut customer.metadata);
        }
        archive(&mut customer.archived_at, self.archived, now);
        check_object(("metadata", &customer.metadata)).map_or(Ok(()), Err)
    }
}
