//! The permissions that an application knows, in words for people.

use std::fmt;
use std::str::FromStr;

use crate::text::deserialize_parsed;
use crate::{ApplicationId, Grants, Invalid, Name, Permission, TenantId};

/// Most permissions in the catalogue of one application.
pub const MAX_ENTRIES: usize = 500;

/// The name of a permission of an application: `customers:read`. Keystile's own, `keystile.…`, are none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PermissionName(Box<str>);

impl PermissionName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The permission.
    pub const fn permission(&self) -> Permission<'_> {
        Permission::known(&self.0)
    }
}

impl serde::Serialize for PermissionName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for PermissionName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_parsed(deserializer)
    }
}

impl fmt::Display for PermissionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for PermissionName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Permission::parse(text)?.is_reserved() {
            return Err(Invalid::rule(
                "must not begin with `keystile.`; those permissions are Keystile's own",
            ));
        }
        Ok(Self(text.into()))
    }
}

/// A permission in the catalogue of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The application.
    pub application_id: ApplicationId,
    /// The permission: `customers:read`.
    pub name: PermissionName,
    /// What people call it: "Customer Read".
    pub label: Name,
    /// What it allows, in more words.
    pub description: Option<String>,
}

/// What `grants` give, in the words of a catalogue that is sorted by name: the label of each permission, and the
/// grant itself where the catalogue has none, as for wildcards.
pub fn labels<'g>(
    grants: &'g Grants,
    catalogue: &'g [CatalogueEntry],
) -> impl ExactSizeIterator<Item = &'g str> {
    grants.iter().map(|grant| {
        let found = catalogue.binary_search_by(|entry| entry.name.as_str().cmp(grant.as_str()));
        found.ok().and_then(|index| catalogue.get(index)).map_or(grant.as_str(), |entry| entry.label.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn permissions_are_told_by_their_labels() {
        let entry = |name: &str, label: &str| CatalogueEntry {
            tenant_id: TenantId::from_parts(Timestamp::from_millis(0), 1),
            application_id: ApplicationId::from_parts(Timestamp::from_millis(0), 1),
            name: name.parse().unwrap(),
            label: label.parse().unwrap(),
            description: None,
        };
        let catalogue =
            [entry("customers:read", "Customer Read"), entry("licenses:write", "License Management")];
        let grants =
            Grants::parse(&["licenses:write", "customers:read", "orders:read", "customers:*"]).unwrap();
        let told: Vec<_> = labels(&grants, &catalogue).collect();
        assert_eq!(told, ["customers:*", "Customer Read", "License Management", "orders:read"]);
    }

    #[test]
    fn keystiles_own_permissions_and_wildcards_are_in_no_catalogue() {
        assert!("customers:read".parse::<PermissionName>().is_ok());
        for bad in ["keystile.keys:issue", "customers:*", "*", "customers"] {
            assert!(bad.parse::<PermissionName>().is_err(), "{bad}");
        }
    }
}
