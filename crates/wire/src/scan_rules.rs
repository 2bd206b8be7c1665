//! Rules by which scanners find keys.

use keystile_core::key::RuleFormat;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::schema;

/// For which scanner rules are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ScanRulesQuery {
    /// `gitleaks` (TOML, the default), `detect-secrets` (a plugin in Python), or `regex` (a line for everything else).
    #[param(schema_with = schema::rule_format)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<RuleFormat>,
}
