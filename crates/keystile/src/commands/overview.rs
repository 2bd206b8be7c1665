//! `keystile overview`.

use std::process::ExitCode;

use clap::Args;
use keystile_core::{Clock, Environment};
use keystile_wire::{
    AttentionView, EventCountsView, IngestPostureView, NearBudgetView, NearBudgetsView, OverviewQuery,
    OverviewView, StatusCountsView,
};

use super::connection::Connection;
use super::output::{Form, Report};
use super::sources;
use super::spend::dollars;
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
    let OverviewView { counted_at, keys, attention, applications, customers, members, invitations, .. } =
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
    let due = fields(&due(*attention, overview.budgets.near_end));
    let (near, rest, incoming) = (near(&overview.budgets), fields(&rest), incoming(&overview.ingest));
    Report::default().data(&format!("{keys}\n{due}\n{near}{rest}\n{incoming}"))
}

/// The first of the budgets that are near their end.
fn near(NearBudgetsView { near_end, first }: &NearBudgetsView) -> String {
    if first.is_empty() {
        return String::new();
    }
    let row = |near: &NearBudgetView| {
        let [spent, max] = [near.spent_usd, near.max_budget_usd].map(dollars);
        [near.key_id.to_string(), spent, max, near.budget_period.to_string(), near.name.to_string()]
    };
    let rows: Vec<_> = first.iter().map(row).collect();
    let more = if rows.len() as u64 == *near_end { "" } else { "…\n" };
    format!("{}{more}\n", table(["NEAR THE END", "SPENT", "OF", "PERIOD", "NAME"], &rows))
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

fn due(attention: AttentionView, budgets_near_end: u64) -> [(&'static str, String); 8] {
    [
        ("expiring_in_7_days", attention.expiring_in_7_days.to_string()),
        ("expiring_in_30_days", attention.expiring_in_30_days.to_string()),
        ("expired_in_30_days", attention.expired_in_30_days.to_string()),
        ("rotation_due", attention.rotation_due.to_string()),
        ("unused_for_30_days", attention.unused_for_30_days.to_string()),
        ("unused_for_90_days", attention.unused_for_90_days.to_string()),
        ("blocked", attention.blocked.to_string()),
        ("budgets_near_end", budgets_near_end.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use keystile_core::{BudgetPeriod, KeyId};

    use super::*;

    fn shown(near_end: u64) -> String {
        let first = NearBudgetView {
            key_id: KeyId::from_u128(1),
            name: "agents".parse().unwrap(),
            spent_usd: 8.5,
            max_budget_usd: 10.0,
            budget_period: BudgetPeriod::Month,
        };
        near(&NearBudgetsView { near_end, first: vec![first] })
    }

    #[test]
    fn budgets_near_their_end_are_told_with_their_amounts_and_whether_there_are_more() {
        let (one, more) = (shown(1), shown(6));
        let key = KeyId::from_u128(1).to_string();
        for told in ["NEAR THE END", &key, "$8.5000", "$10.0000", "month", "agents"] {
            assert!(one.contains(told), "{told}: {one}");
        }
        assert!(more.contains('…') && !one.contains('…'), "{one}{more}");
        let none = NearBudgetsView { near_end: 0, first: Vec::new() };
        assert_eq!(near(&none), "");
    }
}
