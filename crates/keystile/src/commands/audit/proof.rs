//! `keystile audit proof`.

use clap::Args;

use crate::commands::connection::Session;
use crate::commands::output::{Form, Report};
use crate::failure::Failure;

/// Prints where the log ends, as SEQ:HASH, to be noted where nobody who runs the database can change it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, once a day:
  keystile audit proof | ssh logkeeper 'cat >> heads.txt'

`keystile audit verify FILE --head SEQ:HASH` then tells whether the log still
says what it said on that day.")]
pub(super) struct Proof {}

impl Proof {
    pub(super) async fn run(self, session: &Session, form: Form) -> Result<Report, Failure> {
        let Self {} = self;
        let tenant = session.tenant().await?;
        let proof = session.client.audit_proof(tenant).await?;
        match form {
            Form::Json => Report::json(&proof),
            Form::Text => Ok(Report::default()
                .data(&format!("{}:{}", proof.seq, proof.hash))
                .note(format!("The log of {tenant} ended there at {}.", proof.at))),
        }
    }
}
