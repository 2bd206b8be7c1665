//! `keystile keys regenerate`.

use clap::Args;
use keystile_wire::RegenerateKey;

use super::own_secret::OwnSecret;
use super::refused::in_flags;
use super::{Context, Which, changed, shown_once};
use crate::commands::output::{Form, Report};
use crate::failure::Failure;

/// Gives a key a new secret and prints it, once. The old secret is refused from then on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  KEY=$(keystile keys regenerate key_01J8Z3V5N0QK7Y2M4T6B8D9FGH)
  keystile keys regenerate key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --secret-file new.txt
  pass show web | keystile keys regenerate key_01J8… --secret-file -

Whoever still uses the old secret is refused at once.")]
pub(super) struct Regenerate {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    own: OwnSecret,
}

impl Regenerate {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let request = RegenerateKey { secret: self.own.read()? };
        let tenant = context.session.tenant().await?;
        let client = &context.session.client;
        let created = client.regenerate_key(tenant, self.which.id, &request).await.map_err(in_flags)?;
        let report = match context.form {
            Form::Text if request.secret.is_some() => {
                changed(&created.key, "has the secret you brought", context)?
            }
            Form::Text | Form::Json => shown_once(&created, "given a new secret", context)?,
        };
        Ok(report.note("The old secret is refused everywhere."))
    }
}
