//! `keystile jobs import`.

use std::path::PathBuf;

use clap::Args;
use keystile_core::JobKind;
use keystile_wire::{CreateJob, ImportKeys, KeySelection, Object};

use super::start::begin;
use crate::commands::context::Context;
use crate::commands::keys::read_imports;
use crate::commands::output::Report;
use crate::commands::words::one_of;
use crate::failure::Failure;

/// Takes over keys of another system by the SHA-256 of their secrets, each on its own: what cannot be imported is told in the
/// result. Up to 10,000 keys in the form of `keystile keys import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// File of the keys, one JSON object a line; `-` is standard input.
    file: PathBuf,
    /// How the hashes are written.
    #[arg(long, value_parser = one_of(["hex", "base64", "base64url"]), default_value = "hex")]
    encoding: String,
    /// Wait until the job is over.
    #[arg(long)]
    wait: bool,
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let keys = read_imports(&self.file)?;
        let import = ImportKeys { algorithm: "sha256".to_owned(), encoding: self.encoding, keys };
        let request = CreateJob {
            filter: None,
            import: Some(Object(import)),
            ..CreateJob::of(JobKind::Import, KeySelection::default())
        };
        begin(&request, self.wait, context).await
    }
}
