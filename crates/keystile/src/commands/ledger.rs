//! `keystile ledger`: what was charged.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::quota::LedgerKind;
use keystile_core::{Clock, KeyId, LedgerId, Timestamp};
use keystile_wire::{CorrectCharge, LedgerListQuery, LedgerView};

use super::context::{Common, Context, Pages};
use super::keys::in_flags;
use super::moment::Past;
use super::output::Report;
use super::spend::dollars as shown;
use super::table::table;
use super::words::{dollars, ledger_kind, reason};
use crate::failure::Failure;

/// Shows what was charged, row by row, and corrects it by further rows.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile ledger list --key key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --from 1d
  keystile ledger list --kind lost
  keystile ledger correct led_01J8Z3V5N0QK7Y2M4T6B8D9FGH --amount-usd 0 --reason 'billed by nobody'")]
pub(crate) struct LedgerCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Correct(Correct),
}

/// Lists rows, latest first.
#[derive(Debug, Args)]
struct List {
    /// Only what this key is charged.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    /// Only what was charged for this model.
    #[arg(long)]
    model: Option<String>,
    /// Only rows of this kind.
    #[arg(long, value_parser = ledger_kind())]
    kind: Option<LedgerKind>,
    /// Charged since then: a span such as `2h` or `30d` before now, or a time.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    from: Option<Past>,
    /// Charged before.
    #[arg(long, value_name = "SPAN|TIME", value_parser = Past::parse)]
    to: Option<Past>,
    #[command(flatten)]
    pages: Pages,
}

/// Corrects what a row charges: another row is added for the difference.
#[derive(Debug, Args)]
struct Correct {
    /// Its id, as `keystile ledger list` shows it.
    #[arg(value_name = "LEDGER_ID")]
    id: LedgerId,
    /// What should be charged altogether, in US dollars.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    amount_usd: f64,
    /// Why, for the ledger and the audit log.
    #[arg(long, value_parser = reason)]
    reason: String,
}

/// Runs `keystile ledger …`.
pub(crate) async fn run(command: LedgerCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context, clock.now()).await,
        Action::Correct(correct) => correct.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let moment = |past: Past| past.moment(now);
        let wanted = LedgerListQuery {
            key_id: self.key,
            model: self.model,
            kind: self.kind,
            from: self.from.map(moment),
            to: self.to.map(moment),
            ..LedgerListQuery::default()
        };
        let page = async |limit, cursor| {
            client.ledger(tenant, &LedgerListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "Nothing like that was charged.")
    }
}

impl Correct {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = CorrectCharge { amount_usd: self.amount_usd, reason: self.reason };
        let corrected = context.session.client.correct_charge(tenant, self.id, &request).await;
        let corrected = corrected.map_err(in_flags)?;
        let said = match &corrected.correction {
            Some(row) => format!("{} is charged, {} by this row.", shown(corrected.amount_usd), shown(row.cost_usd)),
            None => format!("{} is what it charges already.", shown(corrected.amount_usd)),
        };
        Report::done(context.form(), &corrected, &said)
    }
}

fn rows(entries: &[LedgerView]) -> String {
    let row = |entry: &LedgerView| {
        let used = &entry.used;
        let input = used.input_tokens + used.cached_input_tokens + used.cache_write_tokens;
        [
            entry.at.to_string(),
            entry.kind.to_string(),
            entry.model.clone().unwrap_or_default(),
            input.to_string(),
            used.output_tokens.to_string(),
            shown(entry.cost_usd),
            entry.key_id.to_string(),
            entry.id.to_string(),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    table(["CHARGED", "KIND", "MODEL", "INPUT", "OUTPUT", "COST", "KEY", "ID"], &rows)
}
