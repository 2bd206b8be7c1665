//! `keystile keys block` and `unblock`.

use clap::Args;
use keystile_wire::BlockKey;

use super::refused::in_flags;
use super::{Context, Which, changed};
use crate::commands::output::Report;
use crate::commands::words::reason;
use crate::failure::Failure;

/// Bars a key, for abuse, a leak or billing; `unblock` lifts the bar.
///
/// A bar stands beside the status: a key that is switched off or on, or changed, stays blocked.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys block key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --reason 'unpaid since May'

It is refused everywhere when the command returns. For good? `keystile keys revoke`.")]
pub(super) struct Block {
    #[command(flatten)]
    which: Which,
    /// Why, for those who manage keys; 1 to 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
}

impl Block {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let request = BlockKey { reason: self.reason };
        let client = &context.session.client;
        let key = client.block_key(tenant, self.which.id, &request).await.map_err(in_flags)?;
        changed(&key, "is blocked; `keystile keys unblock` lifts the bar", context)
    }
}

/// Lifts the bar of `block`. The status is as it was.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys unblock key_01J8Z3V5N0QK7Y2M4T6B8D9FGH")]
pub(super) struct Unblock {
    #[command(flatten)]
    which: Which,
}

impl Unblock {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let key = context.session.client.unblock_key(tenant, self.which.id).await?;
        let done = format!("is not blocked any more; it is {}", key.status);
        changed(&key, &done, context)
    }
}
