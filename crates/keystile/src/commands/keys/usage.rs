//! `keystile keys usage`.

use clap::Args;

use super::refused::in_flags;
use super::{Context, Which};
use crate::commands::output::{Form, Report};
use crate::commands::usage::{Steps, report};
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
    #[command(flatten)]
    steps: Steps,
}

impl Usage {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let query = self.steps.query(context.now);
        let usage =
            context.session.client.key_usage(tenant, self.which.id, &query).await.map_err(in_flags)?;
        match context.form {
            Form::Json => Report::json(&usage),
            Form::Text => Ok(report(&usage, "Nothing was asked about the key in this time.")),
        }
    }
}
