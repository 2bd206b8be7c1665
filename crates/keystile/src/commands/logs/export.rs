//! `keystile logs export`.

use clap::Args;
use keystile_core::{LogExportFormat, Timestamp};
use keystile_wire::LogExportQuery;

use super::filters::Filters;
use crate::commands::context::Context;
use crate::commands::output::Report;
use crate::commands::saved::{Output, copy};
use crate::commands::words::log_export_format;
use crate::failure::Failure;

/// Writes the requests that a list with the same filters shows, the latest first.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    filters: Filters,
    /// In which form: a JSON object a line, or a table for spreadsheets.
    #[arg(long, default_value = "ndjson", value_parser = log_export_format())]
    format: LogExportFormat,
    #[command(flatten)]
    output: Output,
}

impl Export {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let Self { filters, format, output } = self;
        let query = LogExportQuery { format: Some(format), ..filters.into_export(now) };
        let tenant = context.session.tenant().await?;
        let export = context.session.client.log_export(tenant, &query).await?;
        output.fill(async |out| copy(export, out).await).await?;
        Ok(Report::default())
    }
}
