//! Making a new installation one's own.

use keystile_wire::{SetUp, SetUpAnswer};

use crate::{Client, ClientError};

impl Client {
    /// Makes the first person of an installation and the tenant they own, with the token that the server wrote when it
    /// started.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `setup_token_invalid`, `setup_paused`, `set_up_already` or the rule that something breaks, and any
    /// other [`ClientError`].
    pub async fn set_up(base_url: &str, request: &SetUp) -> Result<SetUpAnswer, ClientError> {
        Self::anonymous(base_url)?.post("/api/v1/setup", request).await
    }
}
