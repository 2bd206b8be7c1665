//! `keystile restore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use keystile_engine::{Restore, open_backup};
use keystile_store::{Backup, Restored};
use serde_json::json;

use crate::commands::{Form, Report};
use crate::config::Settings;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::stop;

/// Puts the database back to a backup, whole or not at all, without bringing ended keys back.
///
/// The server must be stopped. The backup is read once before anything is done: one that is not as it was made is refused. Keys that were revoked,
/// deleted, blocked or disabled, that expire earlier, or whose secret was replaced after the backup was made, as the revocation journal tells, end
/// again in the same transaction, each with an entry in the audit log. Everybody signs in again, with the password of then.
#[derive(Debug, Args)]
#[command(after_help = "\
  keystile restore --data-dir /var/lib/keystile --replace /backup/keystile-2026-01-31

What else changed after the backup was made is lost: keys that were made are unknown, and refused; permissions, limits and members are as
they were. docs/operations.md says what to look at.")]
pub(crate) struct RestoreOptions {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only tell whether the backup is whole, and what it is of.
    #[arg(long, conflicts_with_all = ["replace", "journal", "without_journal", "change_engine"])]
    check: bool,
    /// What is in the database now may go.
    #[arg(long)]
    replace: bool,
    /// A revocation journal beside that of the settings: of another server that has served from the database. Can be given several times.
    #[arg(long, value_name = "FILE")]
    journal: Vec<PathBuf>,
    /// Do without the revocation journal: keys that ended after the backup was made are good again. They end once more at the next restore with that journal.
    #[arg(long, conflicts_with = "journal")]
    without_journal: bool,
    /// Take a backup of the other engine: move from SQLite to PostgreSQL, or back.
    #[arg(long)]
    change_engine: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(options: RestoreOptions) -> Result<ExitCode, Failure> {
    let RestoreOptions {
        file,
        check,
        replace,
        journal,
        without_journal,
        change_engine,
        json,
        config,
        settings,
    } = options;
    let form = Form::of(json);
    let settings = settings.quiet().with_file(config.as_ref())?;
    settings.start_logging()?;
    stop::not_by_large_files()?;
    let backup = {
        let mut progress = Progress::new("bytes checked", form);
        open_backup(&file, &mut |bytes| progress.tell(bytes))?
    };
    if check {
        return checked(&file, &backup, form)?.print();
    }
    let how = Restore { replace, journals: journal, without_journal, change_engine };
    let mut progress = Progress::new("rows", form);
    let told = Box::new(move |rows| progress.tell(rows));
    let restored = keystile_engine::restore(&settings.engine()?, backup, &how, told).await?;
    report(&file, &restored, form)?.print()
}

/// What is told of a backup that is whole.
fn checked(file: &Path, backup: &Backup, form: Form) -> Result<Report, Failure> {
    let header = backup.header();
    let document = json!({
        "file": file,
        "engine": header.engine,
        "schema": header.schema,
        "created_at": header.created_at,
        "bytes": backup.bytes(),
        "sha256": backup.digest().to_hex(),
    });
    let said = format!(
        "{} is whole: a backup of {} with schema {}, made at {}.",
        file.display(),
        header.engine,
        header.schema,
        header.created_at
    );
    Report::done(form, &document, &said)
}

fn report(file: &Path, restored: &Restored, form: Form) -> Result<Report, Failure> {
    let Restored { rows, ended, migrated } = restored;
    let migrated: Vec<&str> = migrated.iter().map(|migration| migration.name).collect();
    let document = json!({ "file": file, "rows": rows, "keys_ended": ended, "migrated": migrated });
    let said = format!(
        "{} is restored: {rows} rows. {ended} keys have ended since it was made, and were ended again.",
        file.display()
    );
    Report::done(form, &document, &said)
}
