//! A person's sessions and password.

use keystile_core::{Secret, SessionId};
use keystile_wire::{
    ChangePassword, Listing, Logout, MeView, RefreshRequest, ResetPassword, SessionView, TokenAnswer,
};

use crate::{Client, ClientError};

impl Client {
    /// Exchanges a refresh token for the next pair. Each works once, so the answer must be kept before the next call.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `refresh_token_invalid` or `session_ended`, and any other [`ClientError`].
    pub async fn refresh(base_url: &str, refresh_token: Secret) -> Result<TokenAnswer, ClientError> {
        let nobody = Self::anonymous(base_url)?;
        nobody.post("/api/v1/auth/token/refresh", &RefreshRequest { refresh_token }).await
    }

    /// Who the person is, in which session and in which tenants.
    ///
    /// # Errors
    /// Any [`ClientError`]; an API key is refused, as it is no person.
    pub async fn me(&self) -> Result<MeView, ClientError> {
        self.get("/api/v1/auth/me").await
    }

    /// Ends this session, or all of the person's.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn logout(&self, request: &Logout) -> Result<(), ClientError> {
        self.tell("/api/v1/auth/logout", request).await
    }

    /// All sessions of the person that go on.
    ///
    /// # Errors
    /// Any [`ClientError`]; an API key is refused, as it is no person.
    pub async fn sessions(&self) -> Result<Listing<SessionView>, ClientError> {
        self.get("/api/v1/auth/sessions").await
    }

    /// Ends one of the person's sessions. No token of it works any more.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found` for one that has ended, and any other [`ClientError`].
    pub async fn end_session(&self, id: SessionId) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/auth/sessions/{id}")).await
    }

    /// Changes the person's password, which ends their other sessions.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `wrong_credentials` or the rule that the new one breaks, and any other
    /// [`ClientError`].
    pub async fn change_password(&self, request: &ChangePassword) -> Result<(), ClientError> {
        self.tell("/api/v1/auth/password", request).await
    }

    /// Sets a password anew with a token that an admin or the operator made.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `reset_token_invalid` or the rule that the password breaks, and any other
    /// [`ClientError`].
    pub async fn reset_password(base_url: &str, request: &ResetPassword) -> Result<(), ClientError> {
        Self::anonymous(base_url)?.tell("/api/v1/auth/password/reset", request).await
    }
}
