//! Errors as RFC 9457 problem details.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::LimitState;

/// What went wrong, for programs (`code`) and for people (`detail`).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:keystile:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words; the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable name of the problem.
    pub code: String,
    /// What happened here and what to do about it.
    pub detail: String,
    /// Finds this request in logs.
    pub request_id: String,
    /// Each broken rule of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// With `version_conflict`: the version the record has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<i64>,
    /// With `rate_limited`: the limit that is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited_by: Option<LimitState>,
    /// Below `/oauth2`: the code of RFC 6749, 6750 or 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Below `/oauth2`: `detail` in the characters that RFC 6749 allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

/// A field and the rule it broke.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Path of the field, such as `rate_limits[0].limit`; empty for the body as a whole.
    pub field: String,
    /// The rule in words.
    pub message: String,
}
