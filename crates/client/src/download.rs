//! What is read while it comes: exports, results of jobs, and logs that grow.

use std::time::Duration;

use reqwest::Response;

use crate::ClientError;
use crate::answer::interrupted;

/// Longest wait for the end of an export: a log of many gigabytes on a slow line.
pub const EXPORT_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of a success on its way, without a bound on the whole.
#[derive(Debug)]
pub struct Download {
    response: Response,
    url: String,
}

impl Download {
    pub(crate) fn new(response: Response, url: &str) -> Self {
        Self { response, url: url.to_owned() }
    }

    /// The next bytes, cut anywhere; nothing behind the end.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] when it breaks off.
    pub async fn piece(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, ClientError> {
        let next = self.response.chunk().await;
        next.map_err(|source| interrupted(&self.url, source))
    }
}
