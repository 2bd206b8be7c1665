//! `keystile leaks`: which keys were reported as leaked.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, KeyId};
use keystile_wire::{LeakListQuery, LeakView};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::table::table;
use crate::failure::Failure;

/// Shows which keys were reported as leaked, and what was done about it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile leaks list
  keystile leaks list --key key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json
  keystile tenants update --on-leak revoke")]
pub(crate) struct LeaksCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
}

/// Lists reports, newest first.
#[derive(Debug, Args)]
struct List {
    /// Only reports about this key.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    #[command(flatten)]
    pages: Pages,
}

/// Runs `keystile leaks …`.
pub(crate) async fn run(command: LeaksCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let Action::List(list) = command.action;
    let report = list.run(&context).await;
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let key_id = self.key;
        let page = async |limit, cursor| client.leaks(tenant, &LeakListQuery { limit, cursor, key_id }).await;
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "No key was reported as leaked.")
    }
}

fn rows(reports: &[LeakView]) -> String {
    let row = |report: &LeakView| {
        let place = report.place.clone().unwrap_or_default();
        let (at, key) = (report.reported_at.to_string(), report.key_id.to_string());
        [at, key, report.done.to_string(), report.source.to_string(), place]
    };
    let rows: Vec<_> = reports.iter().map(row).collect();
    table(["REPORTED", "KEY", "DONE", "BY", "PLACE"], &rows)
}
