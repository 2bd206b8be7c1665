//! Lists that are read page by page.

use keystile_core::key::{KeyCursor, KeySort, SortOrder};
use keystile_core::text::check_word;
use keystile_core::{ApplicationId, CustomerId, Environment, Invalid, KeyKind, KeyStatus, TrustLevel};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::key_request::SOURCE_ID_MAX;
use crate::schema;

/// Most items on one page.
pub const MAX_PAGE: u16 = 200;

/// One page of a list, in a stable order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listing<T> {
    /// The items.
    pub data: Vec<T>,
    /// Pass it as `cursor` to read on; null on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Which page to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Which keys to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct KeyListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only keys of this environment.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Only keys in this status now.
    #[param(schema_with = schema::status)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<KeyStatus>,
    /// Only keys of this kind.
    #[param(schema_with = schema::kind)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only keys issued to this application.
    #[param(schema_with = schema::application_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<ApplicationId>,
    /// Only keys restricted to this customer.
    #[param(schema_with = schema::customer_id)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Only keys of this sending system.
    #[param(schema_with = schema::word)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Only keys of this trust level.
    #[param(schema_with = schema::trust_level)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_level: Option<TrustLevel>,
    /// Only keys whose name contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Only keys with this tag: its name, or `name:value`.
    #[param(min_length = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only keys whose rotation is due, or only those whose is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_due: Option<bool>,
    /// Only keys that were not used for so many days, and are as old.
    #[param(minimum = 1, maximum = 3650)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_days: Option<u16>,
    /// Only keys that are blocked, or only those that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Only keys that have not ended and expire within so many days.
    #[param(minimum = 1, maximum = 3650)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_within_days: Option<u16>,
    /// By what to order the keys, `created` by default. Keys that were never used come before all others, those that never expire
    /// behind all others.
    #[param(schema_with = schema::key_sort)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<KeySort>,
    /// Which way round: `desc` by default for `created` and `last_used`, `asc` for `name` and `expires`.
    #[param(schema_with = schema::sort_order)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<SortOrder>,
    /// Deleted keys, too; only with the sort `created`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_deleted: Option<bool>,
}

/// Longest that a key can be asked to have been unused, or yet to live: ten years.
const MAX_DAYS: u16 = 3650;

/// Longest text to look for, in bytes; no name, source or tag that a key usually has is longer.
const MAX_FILTER: usize = 800;

/// Whether a text in this field of a query can be looked for.
///
/// # Errors
/// The rule that it breaks.
pub fn check_sought(field: &'static str, text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_FILTER {
        return Err(Invalid::new(field, format!("must be at most {MAX_FILTER} bytes")));
    }
    if text.contains('\0') {
        return Err(Invalid::new(field, "must not contain the character U+0000"));
    }
    Ok(())
}

impl KeyListQuery {
    /// Whether each filter can be looked for.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.kind.as_deref().is_some_and(|kind| !KeyKind::NAMES.contains(&kind)) {
            let rule = format!("must be one of `{}`", KeyKind::NAMES.join("` `"));
            return Err(Invalid::new("kind", rule));
        }
        if let Some(source_id) = &self.source_id {
            check_word(source_id, SOURCE_ID_MAX).map_err(|broken| broken.at("source_id"))?;
        }
        for (field, text) in [("q", &self.q), ("tag", &self.tag)] {
            if let Some(text) = text {
                check_sought(field, text)?;
            }
        }
        if self.tag.as_deref() == Some("") {
            return Err(Invalid::new("tag", "must be a tag's name, or `name:value`"));
        }
        for (field, days) in
            [("unused_days", self.unused_days), ("expires_within_days", self.expires_within_days)]
        {
            if days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
                return Err(Invalid::new(field, format!("must be from 1 to {MAX_DAYS}")));
            }
        }
        if self.include_deleted == Some(true) && self.sort() != KeySort::Created {
            return Err(Invalid::new("sort", "must be `created` in a list with deleted keys"));
        }
        Ok(())
    }

    /// By what the list is ordered.
    pub fn sort(&self) -> KeySort {
        self.sort.unwrap_or(KeySort::Created)
    }

    /// Which way round.
    pub fn order(&self) -> SortOrder {
        self.order.unwrap_or_else(|| self.sort().usual_order())
    }

    /// Where to read on.
    ///
    /// # Errors
    /// When that is no cursor of a list in this order.
    pub fn after(&self) -> Result<Option<KeyCursor>, Invalid> {
        let read = |cursor: &String| KeyCursor::parse(cursor, self.sort());
        self.cursor.as_ref().map(read).transpose().map_err(|broken| broken.at("cursor"))
    }
}
