//! Changing a password, and setting one anew.

use keystile_core::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// A new password in place of the current one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The current password.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub current_password: Secret,
    /// The new one: 12 characters or more that cannot be guessed.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub new_password: Secret,
}

/// A password to be set with a token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPassword {
    /// The token that an admin or the operator made.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// The new password: 12 characters or more that cannot be guessed.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub new_password: Secret,
}

/// A token with which a member sets their password anew, once. It is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetOfferView {
    /// To be sent to `POST /api/v1/auth/password/reset`.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub token: Secret,
    /// The console's page that takes the token: a path at this server. The token stands behind the `#`, which browsers do
    /// not send.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub link_path: Secret,
    /// Until when it works.
    #[schema(schema_with = schema::time)]
    pub expires_at: Timestamp,
}

impl ResetOfferView {
    /// The answer that shows the token.
    pub fn of(token: Secret, expires_at: Timestamp) -> Self {
        let link_path = Secret::new(format!("/console/reset#{}", token.expose()));
        Self { token, link_path, expires_at }
    }
}
