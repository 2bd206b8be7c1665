//! `keystile sessions`: where you are signed in.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, SessionId};
use keystile_wire::SessionView;
use serde_json::json;

use super::context::{Common, Context};
use super::output::Report;
use super::table::table;
use crate::failure::Failure;

/// Lists where you are signed in, and signs you out there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile sessions list
  keystile sessions end ses_01J8Z3V5N0QK7Y2M4T6B8D9FGH

All of them at once: keystile logout --everywhere")]
pub(crate) struct SessionsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    End(End),
}

/// Lists your sessions that go on.
#[derive(Debug, Args)]
struct List {}

/// Ends one of your sessions. Nothing works with its tokens any more.
#[derive(Debug, Args)]
struct End {
    /// Its id, as `keystile sessions list` shows it.
    #[arg(value_name = "SESSION_ID")]
    id: SessionId,
}

/// Runs `keystile sessions …`.
pub(crate) async fn run(command: SessionsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::End(end) => end.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Self {} = self;
        context.list(&context.session.client.sessions().await?, rows, "There is none.")
    }
}

impl End {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        context.session.client.end_session(self.id).await?;
        let ended = json!({ "id": self.id, "has_ended": true });
        Report::done(context.form(), &ended, &format!("{} has ended.", self.id))
    }
}

fn rows(sessions: &[SessionView]) -> String {
    let yes = |truth| if truth { "yes" } else { "no" }.to_owned();
    let row = |session: &SessionView| {
        [
            session.id.to_string(),
            yes(session.current),
            session.created_at.to_string(),
            session.expires_at.to_string(),
            session.ip.map_or_else(|| "-".to_owned(), |ip| ip.to_string()),
            yes(session.second_factor),
            session.user_agent.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    table(
        ["ID", "THIS", "SIGNED IN", "ENDS", "FROM", "SECOND FACTOR", "PROGRAM"],
        &sessions.iter().map(row).collect::<Vec<_>>(),
    )
}
