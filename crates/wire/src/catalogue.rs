//! The permission catalogues of applications.

use std::fmt;
use std::str::FromStr;

use keystile_core::text::check_line;
use keystile_core::{ApplicationId, CatalogueEntry, Invalid, Name, PermissionName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::application::DESCRIPTION_MAX;
use crate::broken::Broken;
use crate::schema;

/// A permission, in words for people.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetPermission {
    /// What people call it, such as "Customer Read".
    #[schema(schema_with = schema::name)]
    pub label: String,
    /// What it allows: 1–500 characters.
    #[schema(min_length = 1, max_length = 500)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl SetPermission {
    /// The checked label and description.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<(Name, Option<String>), Vec<Invalid>> {
        let mut broken = Broken::default();
        let label = broken.required("label", self.label.parse());
        let description =
            self.description.as_deref().map(|text| check_line(text, DESCRIPTION_MAX)).transpose();
        let description = broken.required("description", description);
        broken.or(label.zip(description))
    }
}

/// A permission in the catalogue of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PermissionView {
    /// The permission.
    #[schema(schema_with = schema::permission)]
    pub name: String,
    /// What people call it.
    #[schema(schema_with = schema::name)]
    pub label: Name,
    /// What it allows.
    #[schema(required)]
    pub description: Option<String>,
    /// The application whose catalogue it is in.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
}

impl From<CatalogueEntry> for PermissionView {
    fn from(entry: CatalogueEntry) -> Self {
        let CatalogueEntry { tenant_id: _, application_id, name, label, description } = entry;
        Self { name: name.to_string(), label, description, application_id }
    }
}

/// Where a page of all catalogues ended: `customers:read@app_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueCursor(pub PermissionName, pub ApplicationId);

impl fmt::Display for CatalogueCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0, self.1)
    }
}

impl FromStr for CatalogueCursor {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@');
        let read = |(name, id): (&str, &str)| Some(Self(name.parse().ok()?, id.parse().ok()?));
        parts.and_then(read).ok_or_else(|| Invalid::rule("must be the `next_cursor` of a page"))
    }
}
