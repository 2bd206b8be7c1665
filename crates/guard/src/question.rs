//! What is asked about the key of a request.

use std::net::IpAddr;
use std::sync::Arc;

use keystile_core::permission::MAX_COUNT as MOST_PERMISSIONS;
use keystile_core::{ApplicationId, CustomerId, Environment, PermissionName, limit};

/// What a request needs of its key.
#[derive(Debug, Clone)]
pub struct Question {
    /// The application that is guarded.
    pub application_id: ApplicationId,
    /// The environment that is guarded.
    pub environment: Environment,
    /// What the key must be allowed to do.
    pub permissions: Needed,
    /// The customer that the request is about, if it is about one.
    pub customer_id: Option<CustomerId>,
    /// How many requests it counts as, at most 1,000,000,000; 0 is counted nowhere.
    pub cost: u32,
    /// Where the request came from. A key that lists addresses is refused where it is not known.
    pub ip: Option<IpAddr>,
}

/// Permissions that are needed, at most 200; shared by copies.
#[derive(Debug, Clone)]
pub enum Needed {
    /// Every one of them; an empty list needs nothing.
    All(Arc<[PermissionName]>),
    /// At least one of them; an empty list can never be met.
    Any(Arc<[PermissionName]>),
}

impl Needed {
    /// The permissions, whichever number of them is needed.
    pub(crate) fn names(&self) -> &[PermissionName] {
        match self {
            Self::All(names) | Self::Any(names) => names,
        }
    }
}

impl Question {
    /// Asks for a usable key of this application and environment.
    pub(crate) fn about(application_id: ApplicationId, environment: Environment) -> Self {
        let permissions = Needed::All(Arc::default());
        Self { application_id, environment, permissions, customer_id: None, cost: 1, ip: None }
    }

    /// Whether it keeps to its bounds, beyond which no authority answers.
    pub(crate) fn is_askable(&self) -> bool {
        u64::from(self.cost) <= limit::MAX_COUNT && self.permissions.names().len() <= MOST_PERMISSIONS
    }
}
