//! `keystile jobs result` and `secrets`.

use clap::Args;
use keystile_wire::{JobResultQuery, JobSecret, JobSecrets};

use super::Which;
use crate::commands::context::Context;
use crate::commands::output::{Form, Report, plain};
use crate::commands::saved::{Output, copy};
use crate::commands::words::one_of;
use crate::failure::Failure;

/// Writes the result of an export or an import.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  keystile jobs result job_01J8Z3V5N0QK7Y2M4T6B8D9FGH --format csv --output keys.csv")]
pub(super) struct Download {
    #[command(flatten)]
    which: Which,
    /// One JSON object a line, or, of an export, comma-separated values.
    #[arg(long, value_parser = one_of(["ndjson", "csv"]), default_value = "ndjson")]
    format: String,
    #[command(flatten)]
    output: Output,
}

impl Download {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Self { which, format, output } = self;
        let tenant = context.session.tenant().await?;
        let query = JobResultQuery { format: Some(format) };
        let result = context.session.client.job_result(tenant, which.id, &query).await?;
        output.fill(async |out| copy(result, out).await).await?;
        Ok(Report::default())
    }
}

/// Takes the secrets that a job of rotation has made: once, and only if you have asked for the job.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints for each rotated key its id, the id of its successor, and the secret.")]
pub(super) struct Secrets {
    #[command(flatten)]
    which: Which,
}

impl Secrets {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let taken = context.session.client.take_job_secrets(tenant, self.which.id).await?;
        let lost = "the secrets could not be printed and are lost; rotate the successors to get new ones";
        let report = match context.form() {
            Form::Json => Report::json(&taken)?,
            Form::Text => Report::default()
                .data(&lines(&taken))
                .note("The secrets are shown once; keep them where your secrets are kept."),
        };
        Ok(report.if_lost(lost.to_owned()))
    }
}

fn lines(taken: &JobSecrets) -> String {
    let line = |JobSecret { key_id, successor_id, name, secret }: &JobSecret| {
        format!("{key_id}\t{successor_id}\t{}\t{}\n", secret.expose(), plain(name.as_str()))
    };
    taken.secrets.iter().map(line).collect()
}
