//! `keystile keys show`.

use clap::Args;

use super::{Context, Which};
use crate::commands::output::{Form, Report};
use crate::commands::record::sheet;
use crate::failure::Failure;

/// Shows the record of a key. The secret cannot be shown again.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys show key_01J8Z3V5N0QK7Y2M4T6B8D9FGH")]
pub(super) struct Show {
    #[command(flatten)]
    which: Which,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let key = context.session.client.key(tenant, self.which.id).await?;
        match context.form {
            Form::Json => Report::json(&key),
            Form::Text => Ok(Report::default().data(&sheet(&key, context.now))),
        }
    }
}
