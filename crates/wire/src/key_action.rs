//! What happens to an API key, in requests.

use std::time::Duration;

use keystile_core::key::MAX_OVERLAP;
use keystile_core::text::check_line;
use keystile_core::{Invalid, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::key_request::LINE_MAX;
use crate::schema;
use crate::secret::send_optional;

/// Why a key is ended for good.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevokeKey {
    /// For the record; 1–200 characters.
    #[schema(schema_with = schema::maybe_line)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RevokeKey {
    /// The checked reason.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<Option<String>, Invalid> {
        self.reason.as_deref().map(check_reason).transpose()
    }
}

/// Why a key is barred.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlockKey {
    /// Shown to operators; 1–200 characters.
    #[schema(schema_with = schema::line)]
    pub reason: String,
}

impl BlockKey {
    /// The checked reason.
    ///
    /// # Errors
    /// The broken rule.
    pub fn parse(&self) -> Result<String, Invalid> {
        check_reason(&self.reason)
    }
}

/// How a key gets its new secret.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateKey {
    /// A secret of your own: 24–512 visible ASCII characters that nobody can guess. Made for you if left out.
    #[schema(value_type = Option<String>, min_length = 24, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "send_optional")]
    pub secret: Option<Secret>,
}

/// How a key is replaced by another.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateKey {
    /// How long the old key lives on beside the new one: 0 seconds to 30 days.
    #[schema(minimum = 0, maximum = 2_592_000)]
    pub overlap_seconds: u64,
    /// A secret of your own: 24–512 visible ASCII characters that nobody can guess. Made for you if left out.
    #[schema(value_type = Option<String>, min_length = 24, max_length = 512)]
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "send_optional")]
    pub secret: Option<Secret>,
}

impl RotateKey {
    /// The checked overlap.
    ///
    /// # Errors
    /// The broken rule.
    pub fn overlap(&self) -> Result<Duration, Invalid> {
        let most = MAX_OVERLAP.as_secs();
        if self.overlap_seconds > most {
            return Err(Invalid::new("overlap_seconds", format!("must be from 0 to {most}")));
        }
        Ok(Duration::from_secs(self.overlap_seconds))
    }
}

pub(crate) fn check_reason(reason: &str) -> Result<String, Invalid> {
    check_line(reason, LINE_MAX).map_err(|invalid| invalid.at("reason"))
}
