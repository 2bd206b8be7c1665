//! `keystile serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keystile_core::{Email, Secret};
use keystile_manage::ControlPlane;

use crate::compose::Running;
use crate::config::Settings;
use crate::failure::Failure;
use crate::stop::{self, Hangup};

/// Serves the API, on SQLite in the data folder or on PostgreSQL.
#[derive(Debug, Args)]
#[command(after_help = "\
Every setting can be a flag, an environment variable, or a line of the file given with --config;
a flag beats a variable beats the file:

  keystile serve --listen 0.0.0.0:7878 --data-dir /var/lib/keystile
  KEYSTILE_LISTEN=0.0.0.0:7878 KEYSTILE_DATA_DIR=/var/lib/keystile keystile serve
  keystile serve --config keystile.toml   # listen = \"0.0.0.0:7878\"

On the first start name the owner, by flag or variable, with the password in the environment only. This is no
setting, and has no line in the file:

  KEYSTILE_OWNER_EMAIL=ada@example.com KEYSTILE_OWNER_PASSWORD=… keystile serve

A PostgreSQL server on another machine is best reached encrypted, with its certificate checked:

  KEYSTILE_DATABASE_URL='postgres://keystile:…@db/keystile?sslmode=verify-full&sslrootcert=/etc/keystile/db-ca.pem'

`sslrootcert` takes certificates in PEM; without it those are trusted that this system trusts. Certificate and
name are checked with `require` and `verify-ca`, too. Without `sslmode` nothing is encrypted.

Metrics for Prometheus are on a listener of their own; traces go to an OpenTelemetry collector:

  KEYSTILE_OPERATIONS_LISTEN=127.0.0.1:7880 KEYSTILE_OTLP_ENDPOINT=http://127.0.0.1:4318 keystile serve

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

/// The first person, made on the first start.
#[derive(Debug, Args)]
struct OwnerOptions {
    /// Email address of the first person, used once.
    #[arg(long, env = "KEYSTILE_OWNER_EMAIL", value_name = "EMAIL")]
    owner_email: Option<String>,
    /// Password of the first person; from the environment only, so that it does not show in the process list.
    #[arg(
        long = "owner-password-from-environment",
        env = "KEYSTILE_OWNER_PASSWORD",
        hide = true,
        hide_env_values = true
    )]
    owner_password: Option<OwnerPassword>,
    /// Name of the first tenant.
    #[arg(long, env = "KEYSTILE_TENANT_NAME", value_name = "NAME", default_value = "Main")]
    tenant_name: String,
}

/// A password on its way from the environment.
#[derive(Clone)]
struct OwnerPassword(String);

impl std::str::FromStr for OwnerPassword {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl std::fmt::Debug for OwnerPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnerPassword(…)")
    }
}

pub(crate) async fn run(options: ServeOptions) -> Result<ExitCode, Failure> {
    let settings = options.settings.with_file(options.config.as_ref())?;
    let spans = settings.start_tracing()?;
    let stop = stop::requested(Hangup::IsNoReason)?;
    let running = Running::start(&settings).await?;
    make_owner(running.control(), options.owner).await?;
    let address = running.address()?;
    tracing::info!(%address, "serving");
    if let Some(address) = running.envoy_address()? {
        tracing::info!(%address, "answering Envoy");
    }
    running.serve(stop).await;
    if let Some(spans) = spans {
        spans.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

async fn make_owner(control: &ControlPlane, owner: OwnerOptions) -> Result<(), Failure> {
    let (Some(email), Some(password)) = (owner.owner_email, owner.owner_password) else {
        if !control
            .has_persons()
            .await
            .map_err(|error| Failure::because("the first start cannot be told", &error))?
        {
            tracing::warn!(
                "nobody can sign in yet: set KEYSTILE_OWNER_EMAIL and KEYSTILE_OWNER_PASSWORD and start again"
            );
        }
        return Ok(());
    };
    let email: Email =
        email.parse().map_err(|error| Failure::because("KEYSTILE_OWNER_EMAIL cannot be used", &error))?;
    let name = owner
        .tenant_name
        .parse()
        .map_err(|error| Failure::because("KEYSTILE_TENANT_NAME cannot be used", &error))?;
    let founded = control.set_up(email, Secret::new(password.0), name).await;
    if let Some(founded) = founded.map_err(|refused| owner_refused(&refused))? {
        tracing::info!(tenant_id = %founded.tenant.id, owner = %founded.owner, "made the first person and tenant");
    }
    Ok(())
}

fn owner_refused(refused: &keystile_manage::Refused) -> Failure {
    match refused {
        keystile_manage::Refused::Invalid(broken) => {
            let rules: Vec<_> = broken.iter().map(ToString::to_string).collect();
            Failure::new(format!("KEYSTILE_OWNER_PASSWORD cannot be used: {}", rules.join("; ")))
        }
        other => Failure::because("the first person was not made", other),
    }
}
