//! `keystile keys delete`.

use clap::Args;
use keystile_core::KeyId;
use serde::Serialize;

use super::{Context, Which};
use crate::commands::input::{Consent, confirm};
use crate::commands::output::{Form, Report};
use crate::failure::Failure;

/// Revokes a key and takes it out of the lists. Its history stays.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile keys delete key_01J8Z3V5N0QK7Y2M4T6B8D9FGH

`keystile keys list --include-deleted` still shows it.")]
pub(super) struct Delete {
    #[command(flatten)]
    which: Which,
    /// Do not ask; needed where there is no terminal to ask at.
    #[arg(long)]
    yes: bool,
}

/// The API answers without a body; this says what it means.
#[derive(Serialize)]
struct Deleted {
    id: KeyId,
    is_deleted: bool,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, id) = (&context.session.client, self.which.id);
        let tenant = context.session.tenant().await?;
        if Consent::of(self.yes) == Consent::ToAsk {
            confirm("delete", client.key(tenant, id).await?.name.as_str())?;
        }
        client.delete_key(tenant, id).await?;
        match context.form {
            Form::Json => Report::json(&Deleted { id, is_deleted: true }),
            Form::Text => Ok(Report::default().note(format!("{id} is deleted and refused everywhere."))),
        }
    }
}
