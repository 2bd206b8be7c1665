//! `keystile dev`: a server with everything in a local folder, to try things out.

mod guide;
mod workspace;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::compose::Running;
use crate::config::Settings;
use crate::failure::Failure;
use crate::private_file::write_private;
use crate::stop::{self, Hangup};
use workspace::{Opened, Workspace};

/// Starts a server on loopback with everything in a local folder, and prints what to try.
///
/// The first start makes an owner with a random password, a tenant, an application and one key per environment, and
/// prints them once. Later starts keep them.
#[derive(Debug, Args)]
#[command(after_help = "To start anew, delete the folder (keystile-dev unless --data-dir names another).")]
pub(crate) struct DevOptions {
    /// Also write the credentials of the first start to this file, as JSON that only you can read, for scripts.
    #[arg(long, value_name = "FILE")]
    credentials_file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(options: DevOptions) -> Result<ExitCode, Failure> {
    let settings = Settings {
        data_dir: options.settings.data_dir.or_else(|| Some("keystile-dev".into())),
        log: options.settings.log.or_else(|| Some("warn".to_owned())),
        ..options.settings
    };
    settings.start_logging()?;
    refuse_public_address(&settings)?;
    let stop = stop::requested(Hangup::Stops)?;
    let running = Running::start(&settings).await?;
    let base_url = format!("http://{}", running.address()?);
    let opened = Workspace::open(&running.control, &settings.data_dir()).await?;
    hand_over(&opened, options.credentials_file.as_deref(), &settings, &base_url)?;
    running.serve(stop).await;
    Ok(ExitCode::SUCCESS)
}

/// Writes and prints what there is; a first start counts as one only when its secrets have been handed over.
fn hand_over(
    opened: &Opened,
    file: Option<&Path>,
    settings: &Settings,
    base_url: &str,
) -> Result<(), Failure> {
    match (opened, file) {
        (Opened::New(workspace), Some(file)) => write_private(file, &workspace.to_json(base_url))?,
        (Opened::Kept(_), Some(file)) if !file.exists() => return Err(secrets_are_gone(file, settings)),
        (Opened::New(_) | Opened::Kept(_), _) => {}
    }
    guide::print(opened, base_url);
    match opened {
        Opened::New(workspace) => workspace.remember(&settings.data_dir()),
        Opened::Kept(_) => Ok(()),
    }
}

/// The password of a server for trying things out stands on a screen; nobody else should reach it.
fn refuse_public_address(settings: &Settings) -> Result<(), Failure> {
    if settings.listen().ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::new("`keystile dev` listens on loopback only; use `keystile serve` for others to reach it"))
}

fn secrets_are_gone(file: &Path, settings: &Settings) -> Failure {
    let (file, folder) = (file.display(), settings.data_dir());
    let folder = folder.display();
    Failure::new(format!(
        "{file} cannot be written: secrets are shown on the first start only. Delete {folder} to start anew"
    ))
}
