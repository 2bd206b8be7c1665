//! `keystile keys usage`.

use clap::Args;
use keystile_core::Code;
use keystile_core::usage::{Latency, Step};
use keystile_wire::{LatencyCounts, UsageCounts, UsagePoint, UsageQuery, UsageView};

use super::refused::in_flags;
use super::{Context, Which};
use crate::commands::moment::Past;
use crate::commands::output::{Form, Report};
use crate::commands::table::{fields, table};
use crate::commands::words::step;
use crate::failure::Failure;

/// Shows how often a key was allowed and refused; also one that is deleted. Counts are kept for 90 days.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys usage key_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile keys usage key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --from 2h --step minute
  keystile keys usage key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --from 90d --step day --json |
    jq -r '.data[] | [.starts_at, .allowed, .refused] | @csv'")]
pub(super) struct Usage {
    #[command(flatten)]
    which: Which,
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

impl Usage {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let moment = |past: Past| past.moment(context.now);
        let query =
            UsageQuery { from: self.from.map(moment), to: self.to.map(moment), step: Some(self.step) };
        let usage =
            context.session.client.key_usage(tenant, self.which.id, &query).await.map_err(in_flags)?;
        match context.form {
            Form::Json => Report::json(&usage),
            Form::Text => Ok(report(&usage)),
        }
    }
}

fn report(usage: &UsageView) -> Report {
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
        return report.note("Nothing was asked about the key in this time.");
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
    use keystile_core::Timestamp;
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
        assert_eq!(report(&usage).printed(), (expected.to_owned(), String::new()));
    }

    #[test]
    fn a_key_that_nobody_asked_about_has_no_steps() {
        let (data, notes) = report(&usage(&[])).printed();
        assert!(data.ends_with("allowed  0\nrefused  0\n") && notes.contains("Nothing"), "{data}{notes}");
    }
}
