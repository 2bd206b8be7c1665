//! `keystile holds`: what is held for requests under way.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, HoldId, KeyId};
use keystile_wire::{Estimate, HoldListQuery, HoldView, SettleHoldByHand};

use super::context::{Common, Context, Pages};
use super::keys::in_flags;
use super::output::Report;
use super::spend::dollars as shown;
use super::table::table;
use super::words::{dollars, reason};
use crate::failure::Failure;

/// Shows what is held for requests under way, and settles what nobody else will.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile holds list
  keystile holds list --key key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json
  keystile holds settle hld_01J8Z3V5N0QK7Y2M4T6B8D9FGH --cost-usd 0 --reason 'the worker died'")]
pub(crate) struct HoldsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Settle(Settle),
}

/// Lists holds that are open, latest first.
#[derive(Debug, Args)]
struct List {
    /// Only holds of this key.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    #[command(flatten)]
    pages: Pages,
}

/// Settles a hold in the place of whoever should have. What is not told is charged as it was held.
#[derive(Debug, Args)]
struct Settle {
    /// Its id, as `keystile holds list` shows it.
    #[arg(value_name = "HOLD_ID")]
    id: HoldId,
    /// Tokens that were used.
    #[arg(long, value_name = "COUNT")]
    tokens: Option<u64>,
    /// What it did cost, in US dollars.
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    cost_usd: Option<f64>,
    /// Why, for the ledger and the audit log.
    #[arg(long, value_parser = reason)]
    reason: Option<String>,
}

/// Runs `keystile holds …`.
pub(crate) async fn run(command: HoldsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Settle(settle) => settle.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let key_id = self.key;
        let page = async |limit, cursor| client.holds(tenant, &HoldListQuery { limit, cursor, key_id }).await;
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "Nothing is held.")
    }
}

impl Settle {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let actual = Estimate { tokens: self.tokens, cost_usd: self.cost_usd };
        let request = SettleHoldByHand { actual, reason: self.reason };
        let settled = context.session.client.settle_hold_by_hand(tenant, self.id, &request).await;
        let settled = settled.map_err(in_flags)?;
        let said = format!("{} of {} is charged.", shown(settled.charged_usd), shown(settled.held_usd));
        Report::done(context.form(), &settled, &said)
    }
}

fn rows(holds: &[HoldView]) -> String {
    let row = |hold: &HoldView| {
        [
            hold.opened_at.to_string(),
            hold.deadline_at.to_string(),
            hold.tokens.to_string(),
            shown(hold.cost_usd),
            hold.origin.to_string(),
            hold.model.clone().unwrap_or_default(),
            hold.key_id.to_string(),
            hold.id.to_string(),
        ]
    };
    let rows: Vec<_> = holds.iter().map(row).collect();
    table(["OPENED", "CHARGED IN FULL", "TOKENS", "AT MOST", "BY", "MODEL", "KEY", "ID"], &rows)
}
