//! `keystile keys revoke`.

use clap::Args;
use keystile_wire::RevokeKey;

use super::{Context, Which, changed};
use crate::commands::input::{Consent, confirm};
use crate::commands::output::Report;
use crate::commands::words::reason;
use crate::failure::Failure;

/// Ends a key for good. It is refused everywhere when the command returns; its history stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys revoke key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --reason leaked
  keystile keys revoke key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --yes < /dev/null

For a while only? `keystile keys disable`.")]
pub(super) struct Revoke {
    #[command(flatten)]
    which: Which,
    /// Why; kept with the record. 1 to 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// Do not ask; needed where there is no terminal to ask at.
    #[arg(long)]
    yes: bool,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, id) = (&context.session.client, self.which.id);
        let tenant = context.session.tenant().await?;
        if Consent::of(self.yes) == Consent::ToAsk {
            confirm("revoke", client.key(tenant, id).await?.name.as_str())?;
        }
        let key = client.revoke_key(tenant, id, &RevokeKey { reason: self.reason }).await?;
        changed(&key, "is revoked, for good", context)
    }
}
