//! What each use case needs: the one table of who may do what.

use keystile_core::{Permission, Role};

/// Declares the rights, each with the weakest role of a person and the permissions of a key that carry it.
macro_rules! rights {
    ($( $(#[$doc:meta])* $name:ident = $role:ident, [$($permission:ident),*]; )+) => {
        /// Something that somebody may do in a tenant.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Right { $( $(#[$doc])* $name ),+ }

        impl Right {
            /// Every right.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The weakest role of a person who has it.
            pub const fn role(self) -> Role {
                match self { $(Self::$name => Role::$role),+ }
            }

            /// The permissions of which any one gives it to a key; none, when only persons have it.
            pub const fn permissions(self) -> &'static [Permission<'static>] {
                match self { $(Self::$name => &[$(Permission::$permission),*]),+ }
            }
        }
    };
}

impl Right {
    /// Whether it reaches what is not parted by customers, so that no key has it that is restricted to one.
    pub const fn reaches_all_customers(self) -> bool {
        match self {
            Self::ReadAudit | Self::ReadLeaks | Self::ReadMembers => true,
            Self::ReadTenant
            | Self::ReadKeys
            | Self::ManageKeys
            | Self::VerifyKeys
            | Self::ResetPasswords
            | Self::ManageApplications
            | Self::ReadEvents
            | Self::ReadLogs
            | Self::ReadSpend
            | Self::CorrectSpend
            | Self::ReadCustomers
            | Self::ManageCustomers
            | Self::ManageMembers
            | Self::ManageOwners
            | Self::ManageModels
            | Self::ManageWebhooks
            | Self::ManageTenant => false,
        }
    }
}

rights! {
    /// See the tenant, its applications, customers and permissions, and figures of all its keys together.
    ReadTenant = Viewer, [];
    /// See API keys.
    ReadKeys = Viewer, [READ_KEYS, ISSUE_KEYS];
    /// Make, change and end API keys.
    ManageKeys = Developer, [ISSUE_KEYS];
    /// Ask whether keys are good.
    VerifyKeys = Developer, [VERIFY_KEYS];
    /// Read the audit log.
    ReadAudit = Viewer, [READ_AUDIT];
    /// See which keys were reported as leaked.
    ReadLeaks = Viewer, [READ_AUDIT];
    /// Let members set their password anew.
    ResetPasswords = Admin, [];
    /// Make and change applications and their permission catalogues.
    ManageApplications = Admin, [];
    /// See events, and what they say of entities.
    ReadEvents = Viewer, [];
    /// See which requests were made, from where and with which key.
    ReadLogs = Viewer, [];
    /// See what was spent, by whom and on what, and what is held.
    ReadSpend = Viewer, [];
    /// Correct what was charged, and settle holds in another's place.
    CorrectSpend = Admin, [];
    /// See customers.
    ReadCustomers = Viewer, [READ_CUSTOMERS, WRITE_CUSTOMERS];
    /// Make and change customers.
    ManageCustomers = Developer, [WRITE_CUSTOMERS];
    /// See members, and who is invited.
    ReadMembers = Viewer, [READ_MEMBERSHIPS];
    /// Invite people, change the roles of members and remove them, all but owners.
    ManageMembers = Admin, [];
    /// Make, demote and remove owners.
    ManageOwners = Owner, [];
    /// See providers of language models, and make and change them, their models and what those cost.
    ManageModels = Admin, [];
    /// See, make and change webhooks, and see how deliveries to them go.
    ManageWebhooks = Admin, [];
    /// Change the tenant's name and settings.
    ManageTenant = Owner, [];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A developer can put any permission on a key, so none may carry more than a developer has.
    #[test]
    fn no_permission_gives_a_key_more_than_a_developer_may_hand_out() {
        for right in Right::ALL.iter().filter(|right| !right.permissions().is_empty()) {
            assert!(right.role() <= Role::Developer, "{right:?}");
        }
    }
}
