//! Why an engine, or a file that it needs, cannot be opened.

use std::error::Error;

/// What failed and who can mend it, in words for whoever runs it. Its causes are its sources.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl EngineError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// `message`, because of `cause`.
    pub(crate) fn because(message: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { message: message.into(), source: Some(Box::new(cause)) }
    }
}
