//! `keystile audit export`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use keystile_core::audit::check::Checker;
use keystile_wire::AuditExportQuery;

use crate::commands::connection::Session;
use crate::commands::output::Report;
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
    /// File to write, which only you can read; by default standard output. It appears when it is complete.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Some(path) = &self.output else { return self.copy(session, &mut io::stdout()).await };
        let unwritten =
            |error: io::Error| Failure::because(format!("{} cannot be written", path.display()), &error);
        let partial = partial(path);
        let mut file = private(&partial).map_err(unwritten)?;
        let copied = self.copy(session, &mut file).await;
        let kept = match copied {
            Ok(report) => file
                .sync_all()
                .and_then(|()| std::fs::rename(&partial, path))
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

    /// A server that sends something else than it sealed is told as such.
    async fn copy(&self, session: &Session, out: &mut (dyn Write + Send)) -> Result<Report, Failure> {
        let tenant = session.tenant().await?;
        let query = AuditExportQuery { from_seq: self.from_seq };
        let mut export = session.client.audit_export(tenant, &query).await?;
        let mut checker = Ok(Checker::new(None));
        let unwritten = |error: io::Error| Failure::because("the export cannot be written", &error);
        while let Some(piece) = export.piece().await? {
            out.write_all(piece.as_ref()).map_err(unwritten)?;
            checker = checker.and_then(|mut checker| checker.feed(piece.as_ref()).map(|()| checker));
        }
        out.flush().map_err(unwritten)?;
        match checker.and_then(Checker::finish) {
            Ok(good) => {
                Ok(Report::default().note(format!("{} entries; the log ends at {}", good.count, good.head)))
            }
            Err(found) => Ok(Report::default().note(format!("The log was tampered with: {found}")).refused()),
        }
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
