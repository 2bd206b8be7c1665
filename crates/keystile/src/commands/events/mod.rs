//! `keystile events`: what sources say.

mod list;
mod send;
mod show;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Clock;

use super::context::Common;
use crate::failure::Failure;

/// Lists, shows and sends events, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  KEYSTILE_TOKEN=sk_ks_live_… keystile events send --type order.paid --entity order/4711 --data '{\"total\": 42}'
  KEYSTILE_TOKEN=sk_ks_live_… keystile events send events.ndjson
  keystile events list --entity order/4711
  keystile events list --type order.paid --from 24h --json")]
pub(crate) struct EventsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::List),
    Show(show::Show),
    Send(Box<send::Send>),
}

/// Runs `keystile events …`.
pub(crate) async fn run(command: EventsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context, clock.now()).await,
        Action::Show(show) => show.run(&context).await,
        Action::Send(send) => send.run(&context).await,
    };
    context.print(report).await
}
