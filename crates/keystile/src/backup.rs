//! `keystile backup`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keystile_store::Backed;
use serde_json::json;

use crate::commands::{Form, Report};
use crate::config::Settings;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::stop;

/// Writes all rows of the database, as they are at one moment, to one file, beside a server that serves from it.
///
/// Run it where the server runs, with the same settings. The file is readable for its owner only: it holds what the database holds. The keys
/// in files, `encryption-key` and `signing-key.der`, are NOT in it: keep a copy of the encryption key in another place, without which what is
/// encrypted in the backup is lost. Neither is the revocation journal, which `keystile restore` needs as it is by then.
#[derive(Debug, Args)]
#[command(after_help = "\
  keystile backup --data-dir /var/lib/keystile /backup/keystile-$(date +%F)
  keystile restore --check /backup/keystile-2026-01-31        # is it whole?")]
pub(crate) struct BackupOptions {
    /// The file to write, which must not be there yet.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(options: BackupOptions) -> Result<ExitCode, Failure> {
    let form = Form::of(options.json);
    let settings = options.settings.quiet().with_file(options.config.as_ref())?;
    settings.start_logging()?;
    stop::not_by_large_files()?;
    let mut progress = Progress::new("rows", form);
    let told = &mut |rows| progress.tell(rows);
    let backed = keystile_engine::back_up(&settings.engine()?, &options.file, told).await?;
    drop(progress);
    report(&options.file, &backed, &settings, form)?.print()
}

fn report(
    file: &std::path::Path,
    backed: &Backed,
    settings: &Settings,
    form: Form,
) -> Result<Report, Failure> {
    let Backed { header, rows, bytes, digest } = backed;
    let document = json!({
        "file": file,
        "engine": header.engine,
        "schema": header.schema,
        "created_at": header.created_at,
        "rows": rows,
        "bytes": bytes,
        "sha256": digest.to_hex(),
    });
    let said = format!(
        "{}: {rows} rows of {}, {bytes} bytes. The encryption key is not in it: keep a copy of {} in another place.",
        file.display(),
        header.engine,
        settings.encryption_key_file().display()
    );
    Report::done(form, &document, &said)
}
