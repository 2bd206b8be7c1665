//! The request log.

use keystile_core::{KeyId, LogId, TenantId};
use keystile_wire::{
    ExposureQuery, ExposureView, Listing, LogExportQuery, LogListQuery, LogStreamQuery, LoggedRequestView,
};
use serde::Deserialize;

use crate::answer::unreadable;
use crate::download::{Download, EXPORT_TIMEOUT};
use crate::tenants::path;
use crate::{Client, ClientError};

/// Longest line of a stream, in bytes: far longer than a request in the log can be.
const LONGEST_LINE: usize = 64 * 1024;

/// A log as it grows.
#[derive(Debug)]
pub struct LogStream {
    download: Download,
    /// What came and is not read yet.
    text: Vec<u8>,
}

/// What somebody who watches a log is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// A request.
    Request(Box<LoggedRequestView>),
    /// So many more were passed over, as they were not taken in time.
    Skipped(u64),
}

#[derive(Deserialize)]
struct Skipped {
    skipped: u64,
}

impl LogStream {
    /// What comes next; nothing when the server has ended it.
    ///
    /// # Errors
    /// [`ClientError::Interrupted`] when it breaks off, and [`ClientError::Unexpected`] for what is no such stream.
    pub async fn next(&mut self) -> Result<Option<Streamed>, ClientError> {
        loop {
            while let Some(line) = self.line() {
                if let Some(told) = told(&line)? {
                    return Ok(Some(told));
                }
            }
            if self.text.len() > LONGEST_LINE {
                return Err(unreadable());
            }
            match self.download.piece().await? {
                Some(piece) => self.text.extend_from_slice(piece.as_ref()),
                None => return Ok(None),
            }
        }
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.text.iter().position(|byte| *byte == b'\n')?;
        Some(self.text.drain(..=end).collect())
    }
}

/// What a line tells. Data says what it is by its form; names of events, ids and comments add nothing to it.
fn told(line: &[u8]) -> Result<Option<Streamed>, ClientError> {
    let Some(text) = line.strip_prefix(b"data:") else { return Ok(None) };
    if let Ok(Skipped { skipped }) = serde_json::from_slice(text) {
        return Ok(Some(Streamed::Skipped(skipped)));
    }
    let request = serde_json::from_slice(text).map_err(|_| unreadable())?;
    Ok(Some(Streamed::Request(request)))
}

impl Client {
    /// One page of the log, the latest request first. A page of filtered requests may be empty and be followed by others.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn logs(
        &self,
        tenant: TenantId,
        query: &LogListQuery,
    ) -> Result<Listing<LoggedRequestView>, ClientError> {
        self.get_with(&logs(tenant), query).await
    }

    /// One request of the log.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn log(&self, tenant: TenantId, id: LogId) -> Result<LoggedRequestView, ClientError> {
        self.get(&format!("{}/{id}", logs(tenant))).await
    }

    /// The log as a file.
    ///
    /// # Errors
    /// Any [`ClientError`].
    pub async fn log_export(
        &self,
        tenant: TenantId,
        query: &LogExportQuery,
    ) -> Result<Download, ClientError> {
        let path = format!("{}/export", logs(tenant));
        self.download(&path, query, EXPORT_TIMEOUT).await
    }

    /// The log as it grows from now on, for a day at most.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `busy` when many watch it already, and any other [`ClientError`].
    pub async fn log_stream(
        &self,
        tenant: TenantId,
        query: &LogStreamQuery,
    ) -> Result<LogStream, ClientError> {
        let path = format!("{}/stream", logs(tenant));
        let download = self.download(&path, query, EXPORT_TIMEOUT).await?;
        Ok(LogStream { download, text: Vec::new() })
    }

    /// What was done with a key since a moment.
    ///
    /// # Errors
    /// [`ClientError::Problem`] with `not_found`, and any other [`ClientError`].
    pub async fn key_exposure(
        &self,
        tenant: TenantId,
        id: KeyId,
        query: &ExposureQuery,
    ) -> Result<ExposureView, ClientError> {
        self.get_with(&format!("{}/api-keys/{id}/exposure", path(tenant)), query).await
    }
}

fn logs(tenant: TenantId) -> String {
    format!("{}/logs", path(tenant))
}
