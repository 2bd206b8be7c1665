//! `keystile spend`: what was spent, by whom and on what.

use std::process::ExitCode;

use clap::Args;
use keystile_core::quota::SpendBy;
use keystile_core::{ApplicationId, Clock, CustomerId, Environment, KeyId};
use keystile_wire::{SpendFigures, SpendItem, SpendQuery, SpendView};

use super::connection::{Connection, Session};
use super::keys::in_flags;
use super::moment::Past;
use super::output::{Form, Report};
use super::table::{fields, table};
use super::words::{environment, spend_by};
use crate::failure::Failure;

/// Shows what the keys of the tenant have spent on models: requests, tokens and money.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile spend
  keystile spend --by model --from 7d
  keystile spend --by day --key key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --environment production
  keystile spend --by day --from 90d --json | jq -r '.data[] | [.name, .cost_usd] | @csv'")]
pub(crate) struct SpendCommand {
    /// By what it is told.
    #[arg(long, value_parser = spend_by(), default_value = "key")]
    by: SpendBy,
    /// Since then: a span such as `7d` before now, or a time; 30 days by default, 366 at the most. Whole days of UTC are shown.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    from: Option<Past>,
    /// Until then; now, if nothing is said.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    to: Option<Past>,
    #[command(flatten)]
    only: Only,
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Whose spending to show.
#[derive(Debug, Args)]
struct Only {
    /// Only what this key has spent.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    /// Only what was spent with keys that were restricted to this customer.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// Only what was spent with keys of this application.
    #[arg(long, value_name = "APPLICATION_ID")]
    application: Option<ApplicationId>,
    /// Only what was spent on this model.
    #[arg(long)]
    model: Option<String>,
    /// Only what was spent with keys of this environment.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
}

/// Runs `keystile spend`.
pub(crate) async fn run(command: SpendCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let SpendCommand { by, from, to, only, json, connection } = command;
    let (now, form) = (clock.now(), Form::of(json));
    let moment = |past: Past| past.moment(now);
    let Only { key, customer, application, model, environment } = only;
    let query = SpendQuery {
        by: Some(by),
        from: from.map(moment),
        to: to.map(moment),
        key_id: key,
        customer_id: customer,
        application_id: application,
        model,
        environment,
    };
    connection.with(clock, async |open| shown(open, &query, form).await?.print()).await
}

async fn shown(session: &Session, query: &SpendQuery, form: Form) -> Result<Report, Failure> {
    let tenant = session.tenant().await?;
    let spent = session.client.spend(tenant, query).await.map_err(in_flags)?;
    match form {
        Form::Json => Report::json(&spent),
        Form::Text => Ok(report(&spent)),
    }
}

fn report(spent: &SpendView) -> Report {
    let total = &spent.total;
    let pairs = [
        ("from", spent.from.to_string()),
        ("to", spent.to.to_string()),
        ("requests", total.requests.to_string()),
        ("tokens", tokens(total).to_string()),
        ("cost", dollars(total.cost_usd)),
    ];
    let report = Report::default().data(&fields(&pairs));
    if spent.data.is_empty() {
        return report.note("Nothing was spent in this time.");
    }
    let heading = match spent.by {
        SpendBy::Key => "KEY",
        SpendBy::Customer => "CUSTOMER",
        SpendBy::Application => "APPLICATION",
        SpendBy::Model => "MODEL",
        SpendBy::Day => "DAY",
    };
    let rows: Vec<_> = spent.data.iter().map(row).collect();
    let report = report.data(&table([heading, "REQUESTS", "INPUT", "CACHED", "OUTPUT", "COST"], &rows));
    if spent.has_more { report.note("There are more that spent less: a filter shows them.") } else { report }
}

fn row(item: &SpendItem) -> [String; 6] {
    let figures = &item.figures;
    [
        item.name.clone().unwrap_or_else(|| "none".to_owned()),
        figures.requests.to_string(),
        (figures.input_tokens + figures.cache_write_tokens).to_string(),
        figures.cached_input_tokens.to_string(),
        figures.output_tokens.to_string(),
        dollars(figures.cost_usd),
    ]
}

const fn tokens(figures: &SpendFigures) -> u64 {
    figures.input_tokens + figures.cached_input_tokens + figures.cache_write_tokens + figures.output_tokens
}

/// An amount as people write it, to the hundredth of a cent.
pub(super) fn dollars(amount: f64) -> String {
    let sign = if amount < 0.0 { "-" } else { "" };
    format!("{sign}${:.4}", amount.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_four_digits_and_their_sign_in_front() {
        assert_eq!([12.0, 0.123_46, -0.5].map(dollars), ["$12.0000", "$0.1235", "-$0.5000"]);
    }
}
