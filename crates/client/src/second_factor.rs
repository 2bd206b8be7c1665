//! A person's second factor.

use keystile_wire::{ConfirmTotp, EnrolTotp, EnrolmentView, RecoveryCodes, RemoveTotp};

use crate::{Client, ClientError};

impl Client {
    /// Makes a TOTP secret for the person's authenticator. It is asked for once it is confirmed.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `wrong_credentials` or `second_factor_exists`, and any other [`ClientError`].
    pub async fn enrol_totp(&self, request: &EnrolTotp) -> Result<EnrolmentView, ClientError> {
        self.post("/api/v1/auth/totp", request).await
    }

    /// Confirms the secret with a code. The recovery codes are in this answer and can never be read again.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` when there is nothing to confirm, or about a wrong code, and any other
    /// [`ClientError`]; after [`ClientError::Interrupted`] it may be confirmed with recovery codes that nobody knows:
    /// remove it, and enrol again.
    pub async fn confirm_totp(&self, request: &ConfirmTotp) -> Result<RecoveryCodes, ClientError> {
        self.post("/api/v1/auth/totp/confirm", request).await
    }

    /// Removes the second factor.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `wrong_credentials`, `second_factor_required` or `not_found`, and any other
    /// [`ClientError`].
    pub async fn remove_totp(&self, request: &RemoveTotp) -> Result<(), ClientError> {
        self.delete_with("/api/v1/auth/totp", request).await
    }
}
