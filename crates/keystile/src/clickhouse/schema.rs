//! `keystile clickhouse-schema`.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::commands::print::print;
use crate::config::Settings;
use crate::failure::Failure;

/// Prints the statement that makes the table for the request log in ClickHouse. Nothing is sent anywhere.
#[derive(Debug, Args)]
#[command(after_help = "\
Make the table before the server writes to it:

  keystile clickhouse-schema --keep-days 90 | clickhouse-client --user admin --ask-password")]
pub(crate) struct SchemaOptions {
    /// Days after which ClickHouse forgets requests.
    #[arg(long, value_name = "DAYS", default_value = "30")]
    keep_days: NonZeroU16,
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(options: SchemaOptions) -> Result<ExitCode, Failure> {
    let settings = options.settings.with_file(options.config.as_ref())?;
    let statement = settings.clickhouse_table().create(options.keep_days.get());
    Ok(print(format!("{statement};\n").as_bytes()))
}
