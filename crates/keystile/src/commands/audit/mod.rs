//! `keystile audit`: who changed what in a tenant, and whether the log still says so.

mod export;
mod list;
mod proof;
mod show;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Clock;

use super::connection::Connection;
use super::output::Form;
use crate::failure::Failure;

/// Shows, exports and checks the audit log of a tenant.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile audit list --action key.revoke --from 2026-01-01T00:00:00Z
  keystile audit export --output audit.ndjson
  keystile audit verify audit.ndjson
  keystile audit proof >> /media/worm/heads.txt
  keystile audit verify audit.ndjson --head \"$(tail -n 1 /media/worm/heads.txt)\"

`verify` asks no server. Exit status: 0 done, or the export is good;
1 `verify` found it changed; 2 it could not be done, and standard error
tells why.")]
pub(crate) struct AuditCommand {
    #[command(subcommand)]
    action: Action,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Show(show::Show),
    Export(export::Export),
    Proof(proof::Proof),
    Verify(verify::Verify),
}

/// Runs `keystile audit …`.
pub(crate) async fn run(command: AuditCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let AuditCommand { action, json, connection } = command;
    let form = Form::of(json);
    match action {
        Action::List(list) => connection.with(clock, async |open| list.run(open, form).await?.print()).await,
        Action::Show(show) => connection.with(clock, async |open| show.run(open, form).await?.print()).await,
        Action::Export(export) => connection.with(clock, async |open| export.run(open).await?.print()).await,
        Action::Proof(proof) => {
            connection.with(clock, async |open| proof.run(open, form).await?.print()).await
        }
        Action::Verify(verify) => verify.run(form)?.print(),
    }
}
