//! Why a command did not do what it was asked, in words for whoever typed it.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use keystile_engine::EngineError;

/// A message for a person. Its causes follow on lines of their own.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::new(error.to_string()).with_causes(error.source())
    }
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// `message`, because of `cause`.
    pub(crate) fn because(message: impl Into<String>, cause: &dyn Error) -> Self {
        Self::new(message).with_causes(Some(cause))
    }

    fn with_causes(mut self, mut next: Option<&dyn Error>) -> Self {
        while let Some(cause) = next {
            let _ = write!(self.message, "\n  because {cause}");
            next = cause.source();
        }
        self
    }

    /// Tells the person; nothing goes to standard output.
    pub(crate) fn report(&self) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "keystile: {}", self.message);
        ExitCode::from(2)
    }
}
