//! `keystile overview`.

use std::process::ExitCode;

use clap::Args;
use keystile_core::{Clock, Environment};
use keystile_wire::{
    AttentionView, EventCountsView, IngestPostureView, OverviewQuery, OverviewView, StatusCountsView,
};

use super::connection::Connection;
use super::output::{Form, Report};
use super::sources;
use super::table::{fields, table};
use super::words::environment;
use crate::failure::Failure;

/// Shows what the tenant has, what of it needs attention, and how events come in.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile overview
  keystile overview --environment staging
  keystile overview --json | jq .attention.rotation_due")]
pub(crate) struct OverviewCommand {
    /// Tell how events come into this environment; `production` by default. The other figures are of all of them.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `keystile overview`.
pub(crate) async fn run(command: OverviewCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let OverviewCommand { environment, json, connection } = command;
    let query = OverviewQuery { environment };
    let ask = connection.with(clock, async |session| {
        let tenant = session.tenant().await?;
        let overview = session.client.overview(tenant, &query).await?;
        let report = match Form::of(json) {
            Form::Json => Report::json(&overview)?,
            Form::Text => report(&overview),
        };
        report.print()
    });
    ask.await
}

fn report(overview: &OverviewView) -> Report {
    let OverviewView { counted_at, keys, attention, applications, customers, members, invitations, ingest } =
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
    let (due, rest, incoming) = (fields(&due(*attention)), fields(&rest), incoming(ingest));
    Report::default().data(&format!("{keys}\n{due}\n{rest}\n{incoming}"))
}

/// How events come in, and what is refused.
fn incoming(ingest: &IngestPostureView) -> String {
    let IngestPostureView { environment, sources, has_more_sources, last_hour, last_day, .. } = ingest;
    let mut pairs = vec![
        ("events of", environment.to_string()),
        ("last hour", counts(last_hour)),
        ("last 24 hours", counts(last_day)),
        ("refused attempts", ingest.refused_attempts.to_string()),
    ];
    let codes = ingest.refused_attempts_by_code.iter();
    pairs.extend(codes.map(|(code, count)| ("", format!("{code} {count}"))));
    let told = fields(&pairs);
    if sources.is_empty() {
        return told;
    }
    let more = if *has_more_sources { "…\n" } else { "" };
    format!("{told}\n{}{more}", sources::rows(sources))
}

fn counts(counts: &EventCountsView) -> String {
    let EventCountsView { accepted, repeated, refused, refused_by_reason } = counts;
    let reasons: Vec<_> =
        refused_by_reason.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    format!("{accepted} accepted, {repeated} repeated, {refused} refused{reasons}")
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
