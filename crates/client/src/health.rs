//! Whether a server serves.

use std::time::Duration;

use http::Method;
use serde_json::Value;

use crate::{Client, ClientError, answer};

/// Longest wait for the answer: a server that takes longer is not ready.
pub const READY_TIMEOUT: Duration = Duration::from_secs(5);

impl Client {
    /// Asks the server at `base_url` whether it serves. Nobody has to be known for that; it is also answered where a server
    /// listens for those who operate it.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `unavailable` while it does not serve, and any other [`ClientError`].
    pub async fn ready(base_url: &str) -> Result<(), ClientError> {
        let client = Self::anonymous(base_url)?;
        let request = client.request(Method::GET, "/readyz").timeout(READY_TIMEOUT);
        let said: Value = answer::read(client.send(request).await?, client.base_url()).await?;
        // Whatever else listens there may answer 200 to anything.
        if said["status"] == "ready" { Ok(()) } else { Err(answer::unreadable()) }
    }
}
