//! What a member of a tenant may do.

use crate::invalid::text_enum;

text_enum!(
    /// A person's role in a tenant, weakest first, so that `>=` asks "at least".
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Creates and manages keys, too.
        Developer = "developer",
        /// Manages members, applications, models and webhooks, too.
        Admin = "admin",
        /// Everything.
        Owner = "owner",
    }
);
