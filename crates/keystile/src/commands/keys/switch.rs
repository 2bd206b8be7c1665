//! `keystile keys disable`, `enable` and `regenerate`.

use clap::Args;
use keystile_wire::RegenerateKey;

use super::{Context, Which, changed, shown_once};
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

/// Gives a key a new secret and prints it, once. The old secret is refused from then on.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  KEY=$(keystile keys regenerate key_01J8Z3V5N0QK7Y2M4T6B8D9FGH)

Whoever still uses the old secret is refused at once.")]
pub(super) struct Regenerate {
    #[command(flatten)]
    which: Which,
}

impl Regenerate {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = RegenerateKey::default();
        let created = context.session.client.regenerate_key(tenant, self.which.id, &request).await?;
        let report = shown_once(&created, "given a new secret", context)?;
        Ok(report.note("The old secret is refused everywhere."))
    }
}
