//! `keystile dev`: a server with everything in a local folder, to try things out.

mod guide;
mod workspace;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};
use keystile_engine::private_file::write_private;

use crate::compose::Running;
use crate::config::{Commas, DATABASE, Network, Settings};
use crate::failure::Failure;
use crate::stop::{self, Hangup};
use guide::Addresses;
use workspace::{NOTES, Opened, Workspace};

/// The local folder, unless it is said.
const FOLDER: &str = "keystile-dev";
/// What is logged, unless it is said.
const LEVEL: &str = "warn";
/// Settings that name other places than the local folder, and their variables. As flags they are meant; in the
/// environment they are likely to be those of another server.
const PLACES: [(&str, &str); 6] = [
    ("database_url", "KEYSTILE_DATABASE_URL"),
    ("data_dir", "KEYSTILE_DATA_DIR"),
    ("signing_key_file", "KEYSTILE_SIGNING_KEY_FILE"),
    ("encryption_key_file", "KEYSTILE_ENCRYPTION_KEY_FILE"),
    ("revocation_journal", "KEYSTILE_REVOCATION_JOURNAL"),
    ("clickhouse_url", "KEYSTILE_CLICKHOUSE_URL"),
];

/// Says what is different here from the settings of `serve`.
pub(crate) fn help(dev: clap::Command) -> clap::Command {
    dev.mut_arg("data_dir", |arg| {
        arg.help(format!(
            "Folder for the database, the keys of the server and the lock file [default: {FOLDER}]"
        ))
    })
    .mut_arg("webhook_allow", |arg| {
        arg.help(
            "Networks beside public addresses that webhooks may be sent to, separated by commas [default: those of this machine]",
        )
    })
    .mut_arg("gateway_upstreams_private", |arg| {
        arg.help(
            "Networks beside public addresses where providers of language models may be, separated by commas [default: those of this machine]",
        )
    })
    .mut_arg("log", |arg| {
        arg.help(format!("What to log, such as `info` or `warn,keystile_store=debug` [default: {LEVEL}]"))
    })
}

/// Starts a server on loopback with everything in a local folder, and prints what to try.
///
/// What another server uses is not touched: KEYSTILE_DATABASE_URL, KEYSTILE_DATA_DIR, KEYSTILE_CLICKHOUSE_URL and the variables
/// that name files of keys are refused. Their flags are taken.
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

/// Refuses to try things out on what the environment says of another server: an owner and keys would be made there.
pub(crate) fn refuse_environment(matches: &ArgMatches) -> Result<(), Failure> {
    let is_set = |(id, _): &&(&str, &str)| matches.value_source(id) == Some(ValueSource::EnvVariable);
    let set: Vec<_> = PLACES.iter().filter(is_set).map(|(_, variable)| *variable).collect();
    if set.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`keystile dev` keeps everything in a local folder and does not use what {} names, which may be another server's: \
         unset it, or give the flag if you mean it",
        set.join(" and ")
    )))
}

pub(crate) async fn run(options: DevOptions) -> Result<ExitCode, Failure> {
    let settings = Settings {
        data_dir: options.settings.data_dir.or_else(|| Some(FOLDER.into())),
        log: options.settings.log.or_else(|| Some(LEVEL.to_owned())),
        // Whoever tries things out has a receiver on this machine.
        webhook_allow: options.settings.webhook_allow.or_else(loopback),
        // Or a model.
        gateway_upstreams_private: options.settings.gateway_upstreams_private.or_else(loopback),
        ..options.settings
    };
    let spans = settings.start_tracing()?;
    refuse_public_address(&settings)?;
    let stop = stop::requested(Hangup::Stops)?;
    let running = Running::start(&settings).await?;
    refuse_own_files(options.credentials_file.as_deref(), &settings)?;
    let addresses =
        Addresses { base_url: format!("http://{}", running.address()?), envoy: running.envoy_address()? };
    let opened = Workspace::open(running.control(), &settings.data_dir()).await?;
    hand_over(&opened, options.credentials_file.as_deref(), &settings, &addresses)?;
    running.serve(stop).await;
    if let Some(spans) = spans {
        spans.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// The addresses of this machine.
fn loopback() -> Option<Commas<Network>> {
    "127.0.0.0/8,::1/128".parse().ok()
}

/// Writes and prints what there is; a first start counts as one only when its secrets have been handed over.
fn hand_over(
    opened: &Opened,
    file: Option<&Path>,
    settings: &Settings,
    addresses: &Addresses,
) -> Result<(), Failure> {
    match (opened, file) {
        (Opened::New(workspace), Some(file)) => write_private(file, &workspace.to_json(&addresses.base_url))?,
        (Opened::Kept(_), Some(file)) if !file.exists() => return Err(secrets_are_gone(file, settings)),
        (Opened::Kept(facts), Some(file)) => facts.move_to(&addresses.base_url, file)?,
        (Opened::New(_) | Opened::Kept(_), None) => {}
    }
    let printed = guide::print(opened, addresses);
    match opened {
        Opened::New(workspace) => {
            if file.is_none() {
                printed.map_err(|error| not_shown(&error, settings))?;
            }
            workspace.remember(&settings.data_dir())
        }
        Opened::Kept(_) => Ok(()),
    }
}

fn not_shown(error: &std::io::Error, settings: &Settings) -> Failure {
    let folder = settings.data_dir();
    let folder = folder.display();
    let what = format!("the secrets of the first start could not be shown; delete {folder} to start anew");
    Failure::because(what, error)
}

/// The password of a server for trying things out stands on a screen; nobody else should reach it.
fn refuse_public_address(settings: &Settings) -> Result<(), Failure> {
    let is_loopback = |address: SocketAddr| address.ip().is_loopback();
    if is_loopback(settings.listen()) && settings.grpc_listen.is_none_or(is_loopback) {
        return Ok(());
    }
    Err(Failure::new("`keystile dev` listens on loopback only; use `keystile serve` for others to reach it"))
}

/// Credentials must not take the place of a file that the server needs.
fn refuse_own_files(file: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let (folder, asked) = (settings.data_dir(), resolved(file));
    let beside = |suffix: &str| folder.join(format!("{DATABASE}{suffix}"));
    let databases = ["", "-wal", "-shm", ".lock"].map(beside);
    let others = [
        folder.join(NOTES),
        settings.signing_key_file(),
        settings.encryption_key_file(),
        settings.revocation_journal(),
    ];
    if databases.iter().chain(&others).all(|own| resolved(own) != asked) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} is a file of the server itself; write the credentials to another",
        file.display()
    )))
}

/// The one path of a file whose folder exists; the file itself need not.
fn resolved(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

fn secrets_are_gone(file: &Path, settings: &Settings) -> Failure {
    let (file, folder) = (file.display(), settings.data_dir());
    let folder = folder.display();
    Failure::new(format!(
        "{file} cannot be written: secrets are shown on the first start only. Delete {folder} to start anew"
    ))
}
