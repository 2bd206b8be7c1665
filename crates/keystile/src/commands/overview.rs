//! `keystile overview`.

use std::process::ExitCode;

use clap::Args;
use keystile_core::Clock;
use keystile_wire::{AttentionView, OverviewView, StatusCountsView};

use super::connection::Connection;
use super::output::{Form, Report};
use super::table::{fields, table};
use crate::failure::Failure;

/// Shows what the tenant has, and what of it needs attention.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile overview
  keystile overview --json | jq .attention.rotation_due")]
pub(crate) struct OverviewCommand {
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `keystile overview`.
pub(crate) async fn run(command: OverviewCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let OverviewCommand { json, connection } = command;
    let ask = connection.with(clock, async |session| {
        let tenant = session.tenant().await?;
        let overview = session.client.overview(tenant).await?;
        let report = match Form::of(json) {
            Form::Json => Report::json(&overview)?,
            Form::Text => report(&overview),
        };
        report.print()
    });
    ask.await
}

fn report(overview: &OverviewView) -> Report {
    let OverviewView { counted_at, keys, attention, applications, customers, members, invitations } =
        overview;
    let mut rows = vec![row("all", keys.by_status)];
    rows.extend(keys.by_environment.iter().map(|(environment, counts)| row(environment.as_str(), *counts)));
    rows.extend(keys.by_trust_level.iter().map(|(level, counts)| row(level.as_str(), *counts)));
    rows.extend(keys.by_kind.iter().map(|(kind, counts)| row(kind, *counts)));
    let rest = [
        ("applications", applications.to_string()),
        ("customers", customers.to_string()),
        ("members", members.to_string()),
        ("invitations", invitations.to_string()),
        ("counted_at", counted_at.to_string()),
    ];
    let keys = table(["KEYS", "ACTIVE", "INACTIVE", "REVOKED", "EXPIRED"], &rows);
    Report::default().data(&format!("{keys}\n{}\n{}", fields(&due(*attention)), fields(&rest)))
}

fn row(of: &str, StatusCountsView { active, inactive, revoked, expired }: StatusCountsView) -> [String; 5] {
    [of.to_owned(), active.to_string(), inactive.to_string(), revoked.to_string(), expired.to_string()]
}

fn due(attention: AttentionView) -> [(&'static str, String); 7] {
    [
        ("expiring_in_7_days", attention.expiring_in_7_days.to_string()),
        ("expiring_in_30_days", attention.expiring_in_30_days.to_string()),
        ("expired_in_30_days", attention.expired_in_30_days.to_string()),
        ("rotation_due", attention.rotation_due.to_string()),
        ("unused_for_30_days", attention.unused_for_30_days.to_string()),
        ("unused_for_90_days", attention.unused_for_90_days.to_string()),
        ("blocked", attention.blocked.to_string()),
    ]
}
