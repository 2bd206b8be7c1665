//! `keystile keys disable` and `enable`.

use clap::Args;

use super::{Context, Which, changed};
use crate::commands::output::Report;
use crate::failure::Failure;

/// Switches a key off for a while; `enable` switches it on again.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys disable key_01J8Z3V5N0QK7Y2M4T6B8D9FGH

It is refused everywhere when the command returns.")]
pub(super) struct Disable {
    #[command(flatten)]
    which: Which,
}

impl Disable {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let key = context.session.client.disable_key(tenant, self.which.id).await?;
        changed(&key, "is switched off; `keystile keys enable` switches it on again", context)
    }
}

/// Switches a key on again.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys enable key_01J8Z3V5N0QK7Y2M4T6B8D9FGH")]
pub(super) struct Enable {
    #[command(flatten)]
    which: Which,
}

impl Enable {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let key = context.session.client.enable_key(tenant, self.which.id).await?;
        changed(&key, "is switched on", context)
    }
}
