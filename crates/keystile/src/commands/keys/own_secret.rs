//! A secret of one's own, for `keystile keys create` and `regenerate`. Never from the command line, which `ps` shows.

use std::path::PathBuf;

use clap::Args;
use keystile_core::Secret;

use crate::commands::input::{secret_in_file, secret_line};
use crate::failure::Failure;

const WHAT: &str = "the secret";

/// Where a secret of one's own is read.
#[derive(Debug, Args)]
pub(super) struct OwnSecret {
    /// Use a secret of your own, read from the first line of this file, or of standard input with `-`: 24 to 512
    /// visible ASCII characters that nobody can guess. It is not printed again.
    #[arg(long, value_name = "FILE", conflicts_with = "secret_stdin")]
    secret_file: Option<PathBuf>,
    /// The same as `--secret-file -`.
    #[arg(long)]
    secret_stdin: bool,
}

impl OwnSecret {
    /// Reads it, if there is to be one.
    pub(super) fn read(&self) -> Result<Option<Secret>, Failure> {
        match &self.secret_file {
            Some(path) => secret_in_file(path, WHAT).map(Some),
            None if self.secret_stdin => secret_line(WHAT).map(Some),
            None => Ok(None),
        }
    }
}
