//! `keystile logs export`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_core::{LogExportFormat, Timestamp};
use keystile_wire::LogExportQuery;

use super::filters::Filters;
use crate::commands::context::Context;
use crate::commands::output::Report;
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
    /// File to write, which only you can read; by default standard output. It appears when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let query = LogExportQuery { format: Some(self.format), ..self.filters.into_export(now) };
        let Some(path) = self.output else { return copy(context, &query, &mut io::stdout()).await };
        let unwritten =
            |error: io::Error| Failure::because(format!("{} cannot be written", path.display()), &error);
        let partial = partial(&path);
        let mut file = private(&partial).map_err(unwritten)?;
        let kept = match copy(context, &query, &mut file).await {
            Ok(report) => file
                .sync_all()
                .and_then(|()| std::fs::rename(&partial, &path))
                .map(|()| report)
                .map_err(unwritten),
            Err(failure) => Err(failure),
        };
        if kept.is_err() {
            // What is left of it is of no use; that it cannot be removed changes nothing.
            let _gone = std::fs::remove_file(&partial);
        }
        kept
    }
}

async fn copy(
    context: &Context,
    query: &LogExportQuery,
    out: &mut (dyn Write + Send),
) -> Result<Report, Failure> {
    let tenant = context.session.tenant().await?;
    let mut export = context.session.client.log_export(tenant, query).await?;
    let unwritten = |error: io::Error| Failure::because("the export cannot be written", &error);
    while let Some(piece) = export.piece().await? {
        out.write_all(piece.as_ref()).map_err(unwritten)?;
    }
    out.flush().map_err(unwritten)?;
    Ok(Report::default())
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
