//! `keystile usage`, and how every report of usage is read.

use std::process::ExitCode;

use clap::Args;
use keystile_core::usage::{Latency, Step};
use keystile_core::{Clock, Code, Environment, Timestamp};
use keystile_wire::{LatencyCounts, TenantUsageQuery, UsageCounts, UsagePoint, UsageQuery, UsageView};

use super::connection::{Connection, Session};
use super::keys::in_flags;
use super::moment::Past;
use super::output::{Form, Report};
use super::table::{fields, table};
use super::words::{environment, step};
use crate::failure::Failure;

/// Shows how often all keys of the tenant were allowed and refused together. Counts are kept for 90 days.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile usage
  keystile usage --from 1h --step minute --environment production
  keystile usage --from 90d --step day --json | jq -r '.data[] | [.starts_at, .allowed, .refused] | @csv'")]
pub(crate) struct UsageCommand {
    #[command(flatten)]
    steps: Steps,
    /// Only keys of this environment.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Which time to show, and how finely.
#[derive(Debug, Args)]
pub(super) struct Steps {
    /// Since then: a span such as `2h` or `30d` before now, or a time. By default there are 60 minutes, 24 hours or 30 days.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    from: Option<Past>,
    /// Until then; now, if nothing is said.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    to: Option<Past>,
    /// How long each step is; days are those of UTC.
    #[arg(long, value_parser = step(), default_value = "hour")]
    step: Step,
}

impl Steps {
    pub(super) fn query(self, now: Timestamp) -> UsageQuery {
        let moment = |past: Past| past.moment(now);
        UsageQuery { from: self.from.map(moment), to: self.to.map(moment), step: Some(self.step) }
    }
}

/// Runs `keystile usage`.
pub(crate) async fn run(command: UsageCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let UsageCommand { steps, environment, json, connection } = command;
    let UsageQuery { from, to, step } = steps.query(clock.now());
    let query = TenantUsageQuery { from, to, step, environment };
    connection.with(clock, async |open| shown(open, &query, Form::of(json)).await?.print()).await
}

async fn shown(session: &Session, query: &TenantUsageQuery, form: Form) -> Result<Report, Failure> {
    let tenant = session.tenant().await?;
    let usage = session.client.tenant_usage(tenant, query).await.map_err(in_flags)?;
    match form {
        Form::Json => Report::json(&usage),
        Form::Text => Ok(report(&usage, "Nothing was asked about any key in this time.")),
    }
}

/// The sum and each step; `nothing` is told when there is none.
pub(super) fn report(usage: &UsageView, nothing: &str) -> Report {
    let UsageCounts { allowed, refused, refused_by_code: _, latency } = &usage.total;
    let mut pairs = vec![
        ("from", usage.from.to_string()),
        ("to", usage.to.to_string()),
        ("allowed", allowed.to_string()),
        ("refused", refused.to_string()),
    ];
    pairs.extend(usage.total.refused_by_code.iter().map(|(code, count)| ("", counted(*code, *count))));
    pairs.extend(waits(*latency).map(|waits| ("waited", waits)));
    let report = Report::default().data(&fields(&pairs));
    let rows: Vec<_> = usage.data.iter().filter(|point| is_used(point)).map(row).collect();
    if rows.is_empty() {
        return report.note(nothing);
    }
    report.data(&format!("\n{}", table(["SINCE", "ALLOWED", "REFUSED", "CODES"], &rows)))
}

const fn is_used(point: &UsagePoint) -> bool {
    point.counts.allowed + point.counts.refused > 0
}

fn row(UsagePoint { starts_at, counts }: &UsagePoint) -> [String; 4] {
    let codes: Vec<_> = counts.refused_by_code.iter().map(|(code, count)| counted(*code, *count)).collect();
    [starts_at.to_string(), counts.allowed.to_string(), counts.refused.to_string(), codes.join(", ")]
}

fn counted(code: Code, count: u64) -> String {
    format!("{code} {count}")
}

/// How long decisions waited for their key, if there are any.
fn waits(latency: LatencyCounts) -> Option<String> {
    let waits: Vec<_> =
        latency.waits().map(|(latency, count)| format!("{count} {}", wait(latency))).collect();
    (!waits.is_empty()).then(|| waits.join(", "))
}

const fn wait(latency: Latency) -> &'static str {
    match latency {
        Latency::Memory => "not at all",
        Latency::UpTo1Ms => "up to 1 ms",
        Latency::UpTo5Ms => "up to 5 ms",
        Latency::UpTo25Ms => "up to 25 ms",
        Latency::UpTo100Ms => "up to 100 ms",
        Latency::UpTo500Ms => "up to 500 ms",
        Latency::Longer => "longer",
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::usage::{Span, Sum};

    use super::*;

    fn usage(sums: &[(i64, Code, Latency, u64)]) -> UsageView {
        let hours = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
        let span = Span::new(hours(1), hours(4), Step::Hour).unwrap();
        let sum = |(hour, code, latency, count): &(i64, Code, Latency, u64)| Sum {
            minute: hour * 60,
            code: *code,
            latency: *latency,
            count: *count,
        };
        UsageView::new(span, sums.iter().map(sum))
    }

    #[test]
    fn usage_is_told_in_sum_and_by_step() {
        let usage = usage(&[
            (1, Code::Allowed, Latency::Memory, 1_200),
            (1, Code::Allowed, Latency::UpTo5Ms, 1),
            (3, Code::RateLimited, Latency::Memory, 30),
            (3, Code::WrongEnvironment, Latency::Longer, 2),
        ]);
        let expected = "\
from     1970-01-01T01:00:00.000Z
to       1970-01-01T04:00:00.000Z
allowed  1201
refused  32
         wrong_environment 2
         rate_limited 30
waited   1230 not at all, 1 up to 5 ms, 2 longer

SINCE                     ALLOWED  REFUSED  CODES
1970-01-01T01:00:00.000Z  1201     0
1970-01-01T03:00:00.000Z  0        32       wrong_environment 2, rate_limited 30
";
        assert_eq!(report(&usage, "Nothing.").printed(), (expected.to_owned(), String::new()));
    }

    #[test]
    fn where_nothing_was_asked_there_are_no_steps() {
        let (data, notes) = report(&usage(&[]), "Nothing.").printed();
        assert!(data.ends_with("allowed  0\nrefused  0\n") && notes.contains("Nothing"), "{data}{notes}");
    }
}
