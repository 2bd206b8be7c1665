//! TOTP as a second factor.

use keystile_core::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What it takes to get a TOTP secret: the password, as a session that was left open is not enough.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolTotp {
    /// The password.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub password: Secret,
}

/// A TOTP secret to put into an authenticator. It is shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentView {
    /// In base32.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub secret: Secret,
    /// The same as an `otpauth://` URI, for a QR code.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub uri: Secret,
}

/// A code that shows that the secret has arrived.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmTotp {
    /// The six digits that the authenticator shows.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub code: Secret,
}

/// Codes to sign in with when the authenticator is lost, each once. They are shown this once.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// The codes.
    #[schema(value_type = Vec<String>)]
    #[serde(serialize_with = "crate::secret::send_all")]
    pub recovery_codes: Vec<Secret>,
}

/// What it takes to remove the second factor: the password, and a code or a recovery code.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveTotp {
    /// The password.
    #[schema(value_type = String)]
    #[serde(serialize_with = "crate::secret::send")]
    pub password: Secret,
    /// The six digits that the authenticator shows.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub code: Option<Secret>,
    /// Or one of the recovery codes.
    #[schema(value_type = Option<String>)]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "crate::secret::send_optional"
    )]
    pub recovery_code: Option<Secret>,
}
