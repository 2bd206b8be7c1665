//! `keystile migrate`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::compose::open_store;
use crate::config::Settings;
use crate::failure::Failure;

/// Brings the database to the form this version needs. `serve` does so, too, when it starts; use this to do it
/// at a time of your choosing.
#[derive(Debug, Args)]
pub(crate) struct MigrateOptions {
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(options: MigrateOptions) -> Result<ExitCode, Failure> {
    let settings = options.settings.with_file(options.config.as_ref())?;
    settings.start_logging()?;
    let store = open_store(&settings).await?;
    store.close().await;
    tracing::info!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
