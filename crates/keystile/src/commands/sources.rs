//! `keystile sources`: who sends events.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, Environment};
use keystile_wire::{SourceListQuery, SourceView};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::table::table;
use super::words::environment;
use crate::failure::Failure;

/// Shows who sends events, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile sources list
  keystile sources list --environment staging --all --json")]
pub(crate) struct SourcesCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
}

/// Lists sources by their ids: when each was last heard, and how much it sends.
#[derive(Debug, Args)]
struct List {
    /// Those that send into this environment; `production` by default.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    #[command(flatten)]
    pages: Pages,
}

/// Runs `keystile sources …`.
pub(crate) async fn run(command: SourcesCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let Action::List(list) = command.action;
    let report = list.run(&context).await;
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let Self { environment, pages } = self;
        let page = async |limit, cursor| {
            client.sources(tenant, &SourceListQuery { limit, cursor, environment }).await
        };
        let listing = pages.read(page).await?;
        context.list(&listing, rows, "No source sends there; those of other environments: --environment.")
    }
}

/// Sources, a line each.
pub(super) fn rows(sources: &[SourceView]) -> String {
    let row = |source: &SourceView| {
        [
            source.source_id.clone(),
            source.trust_level.to_string(),
            source.last_seen_at.to_string(),
            format!("{:.1}", source.per_minute),
            source.last_hour.to_string(),
            source.last_day.to_string(),
            source.refused_last_day.to_string(),
            source.active_keys.to_string(),
        ]
    };
    table(
        ["SOURCE", "TRUST", "LAST SEEN", "A MINUTE", "AN HOUR", "24 HOURS", "REFUSED", "ACTIVE KEYS"],
        &sources.iter().map(row).collect::<Vec<_>>(),
    )
}
