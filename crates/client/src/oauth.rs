//! Introspection and revocation as OAuth 2.0 knows them, and a key's own view.

use keystile_wire::{IntrospectRequest, Introspection, RevokeTokenRequest, WhoamiView};

use crate::{Client, ClientError, answer};

impl Client {
    /// What the key that this client calls with is, may do, and has left.
    ///
    /// # Errors
    /// Any [`ClientError`]; a person's token is refused.
    pub async fn whoami(&self) -> Result<WhoamiView, ClientError> {
        self.get("/api/v1/whoami").await
    }

    /// Whether a key is active (RFC 7662).
    ///
    /// # Errors
    /// Any [`ClientError`], about the caller or the question.
    pub async fn introspect(&self, request: &IntrospectRequest) -> Result<Introspection, ClientError> {
        answer::read(self.submit("/oauth2/introspect", request).await?, self.base_url()).await
    }

    /// Ends a key, or the session of a refresh token, by its text alone (RFC 7009). A text that is nobody's is no error.
    ///
    /// # Errors
    /// Any [`ClientError`]; it may still be good then.
    pub async fn revoke_token(&self, request: &RevokeTokenRequest) -> Result<(), ClientError> {
        answer::read_nothing(self.submit("/oauth2/revoke", request).await?, self.base_url()).await
    }
}
