//! `keystile logs`: which requests were made, and what they were answered.

mod export;
mod filters;
mod list;
mod show;
mod tail;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Clock;

use super::context::Common;
use crate::failure::Failure;

pub(super) use list::rows;

/// Lists, shows, follows and exports the request log, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile logs list --key key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --from 24h
  keystile logs list --code key_revoked --environment production
  keystile logs tail --status 4xx
  keystile logs export --format csv --from 30d --output requests.csv")]
pub(crate) struct LogsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(Box<list::List>),
    Show(show::Show),
    Tail(Box<tail::Tail>),
    Export(Box<export::Export>),
}

/// Runs `keystile logs …`.
pub(crate) async fn run(command: LogsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context, clock.now()).await,
        Action::Show(show) => show.run(&context).await,
        Action::Tail(tail) => tail.run(&context, clock.now()).await,
        Action::Export(export) => export.run(&context, clock.now()).await,
    };
    context.print(report).await
}
