//! `keystile audit export`.

use std::io::Write;

use clap::{Args, value_parser};
use keystile_core::audit::check::Checker;
use keystile_wire::AuditExportQuery;

use crate::commands::connection::Session;
use crate::commands::output::Report;
use crate::commands::saved::{Output, unwritten};
use crate::failure::Failure;

/// Writes the log, oldest entry first, one JSON object a line, and checks it on the way.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile audit export --output audit.ndjson
  keystile audit export --from-seq 1001 | gzip > audit-1001.ndjson.gz")]
pub(super) struct Export {
    /// The first entry to write.
    #[arg(long, value_name = "SEQ", value_parser = value_parser!(u64).range(1..))]
    from_seq: Option<u64>,
    #[command(flatten)]
    output: Output,
}

impl Export {
    pub(super) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self { from_seq, output } = self;
        let query = AuditExportQuery { from_seq };
        output.fill(async |out| checked(session, &query, out).await).await
    }
}

/// Writes the log. A server that sends something else than it sealed is told as such.
async fn checked(
    session: &Session,
    query: &AuditExportQuery,
    out: &mut (dyn Write + Send),
) -> Result<Report, Failure> {
    let tenant = session.tenant().await?;
    let mut export = session.client.audit_export(tenant, query).await?;
    let mut checker = Ok(Checker::new(None));
    while let Some(piece) = export.piece().await? {
        out.write_all(piece.as_ref()).map_err(|error| unwritten(&error))?;
        checker = checker.and_then(|mut checker| checker.feed(piece.as_ref()).map(|()| checker));
    }
    out.flush().map_err(|error| unwritten(&error))?;
    match checker.and_then(Checker::finish) {
        Ok(good) => {
            Ok(Report::default().note(format!("{} entries; the log ends at {}", good.count, good.head)))
        }
        Err(found) => Ok(Report::default().note(format!("The log was tampered with: {found}")).refused()),
    }
}
