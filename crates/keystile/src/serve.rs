//! `keystile serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::compose::Running;
use crate::config::Settings;
use crate::failure::Failure;
use crate::first_start::{self, OwnerOptions};
use crate::stop::{self, Hangup};

/// Serves the API, on SQLite in the data folder or on PostgreSQL.
#[derive(Debug, Args)]
#[command(after_help = "\
Every setting can be a flag, an environment variable, or a line of the file given with --config;
a flag beats a variable beats the file:

  keystile serve --listen 0.0.0.0:7878 --data-dir /var/lib/keystile
  KEYSTILE_LISTEN=0.0.0.0:7878 KEYSTILE_DATA_DIR=/var/lib/keystile keystile serve
  keystile serve --config keystile.toml   # listen = \"0.0.0.0:7878\"

The first start writes a link to standard output; whoever opens it makes the owner. Or name the owner, by flag or
variable, with the password in the environment only. This is no setting, and has no line in the file:

  KEYSTILE_OWNER_EMAIL=ada@example.com KEYSTILE_OWNER_PASSWORD=… keystile serve

A PostgreSQL server on another machine is best reached encrypted, with its certificate checked:

  KEYSTILE_DATABASE_URL='postgres://keystile:…@db/keystile?sslmode=verify-full&sslrootcert=/etc/keystile/db-ca.pem'

`sslrootcert` takes certificates in PEM; without it those are trusted that this system trusts. Certificate and
name are checked with `require` and `verify-ca`, too. Without `sslmode` nothing is encrypted.

Metrics for Prometheus are on a listener of their own; traces go to an OpenTelemetry collector:

  KEYSTILE_OPERATIONS_LISTEN=127.0.0.1:7880 KEYSTILE_OTLP_ENDPOINT=http://127.0.0.1:4318 keystile serve

Several servers can serve from one PostgreSQL, if all are started with --cluster and have the same keys:

  KEYSTILE_CLUSTER=true KEYSTILE_DATABASE_URL=postgres://… keystile serve --signing-key-file … --encryption-key-file …

They count limits on requests and tokens together in a Redis or Valkey (KEYSTILE_REDIS_URL=redis://…), and each by itself without one.
docs/guarantees.md says what that promises and what it rests on.

Keystile speaks plain HTTP: put it on a private network or behind a proxy that speaks TLS.")]
pub(crate) struct ServeOptions {
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    owner: OwnerOptions,
}

pub(crate) async fn run(options: ServeOptions) -> Result<ExitCode, Failure> {
    let settings = options.settings.with_file(options.config.as_ref())?;
    let spans = settings.start_tracing()?;
    let stop = stop::requested(Hangup::IsNoReason)?;
    let running = Running::start(&settings).await?;
    first_start::make_owner(running.control(), options.owner).await?;
    let address = running.address()?;
    tracing::info!(%address, "serving");
    first_start::offer_set_up(running.control(), address).await?;
    if let Some(address) = running.envoy_address()? {
        tracing::info!(%address, "answering Envoy");
    }
    running.serve(stop).await;
    if let Some(spans) = spans {
        spans.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}
