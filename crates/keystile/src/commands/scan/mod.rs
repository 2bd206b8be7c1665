//! `keystile scan`: keys in files and in the history of a repository.

mod excluded;
mod files;
mod findings;
mod history;
mod told;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use keystile_core::{Clock, Digest};
use keystile_wire::{LeakLookup, MAX_LOOKUP, SecretView};

use super::connection::{Connection, Session};
use super::output::Form;
use crate::failure::Failure;
use excluded::Pattern;
use files::Walk;
use findings::{Finding, Findings};
use told::{Missed, report};

/// Finds Keystile keys in files and in the history of a Git repository, and asks a server which of them are live.
///
/// Every file is searched, whatever it is and whatever .gitignore says, and of a repository every file that any branch, tag, stash or
/// reflog has, or has had, and every message. Keys are recognised by their check digits, so what is mistyped or made up is not told. No
/// key leaves this machine: the server is asked about digests, and only the beginning of a key is printed. Not found are
/// secrets that a tenant has brought itself, and keys in archives or in other encodings.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile scan .
  keystile scan --exclude target --exclude '*.snap' --json ~/src/shop
  keystile scan --offline /etc

With --json there is a line for each key: state, key_id, start, label, environment, path, line, commit and object of the first
place, and all places.

Exit status: 0 no key was found, 1 a live key was found, 2 something could not be read or asked (what was found is printed all
the same), 3 keys were found, none of which is known to be live.")]
pub(crate) struct ScanCommand {
    /// The folder, repository or file to search.
    path: PathBuf,
    /// Leave out files and folders of this name, or this path from PATH if there is a `/` in it; `*` stands for any characters. May
    /// be repeated.
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<Pattern>,
    /// Search the files alone, also in a repository.
    #[arg(long)]
    no_history: bool,
    /// Ask no server: tell only which well-formed keys there are.
    #[arg(long)]
    offline: bool,
    /// Print a JSON object for each key, on a line of its own.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `keystile scan`.
pub(crate) async fn run(command: ScanCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let ScanCommand { path, exclude, no_history, offline, json, connection } = command;
    let mut failures = Vec::new();
    let findings = search(&path, &exclude, no_history, &mut failures)?;
    let unread = findings.unread;
    let keys = findings.into_keys();
    let mut answers = None;
    if !offline && !keys.is_empty() {
        let digests: Vec<_> = keys.iter().map(|key| key.digest).collect();
        match connection.with(clock, async |session| ask(session, &digests).await).await {
            Ok(told) => answers = Some(told),
            Err(failure) => failures.push(failure),
        }
    }
    let missed = Missed { unread, failures: failures.len() };
    let printed = report(&keys, answers.as_ref(), missed, Form::of(json))?.print();
    for failure in failures {
        failure.report();
    }
    printed
}

/// Searches the files, then the history, if there is one. When that fails, what is in the files is known all the same.
fn search(
    root: &Path,
    excluded: &[Pattern],
    no_history: bool,
    failures: &mut Vec<Failure>,
) -> Result<Findings, Failure> {
    let mut findings = Findings::default();
    let without = history::objects(root).filter(|_| !no_history);
    let has_history = without.is_some();
    Walk { root, excluded, without, findings: &mut findings }.search()?;
    if has_history {
        failures.extend(history::search(root, excluded, &mut findings).err());
    }
    Ok(findings)
}

/// What the server knows of them.
async fn ask(session: &Session, digests: &[Digest]) -> Result<HashMap<String, SecretView>, Failure> {
    let tenant = session.tenant().await?;
    let mut answers = HashMap::with_capacity(digests.len());
    for some in digests.chunks(MAX_LOOKUP) {
        let answer = session.client.look_up_secrets(tenant, &LeakLookup::of(some)).await?;
        answers.extend(answer.secrets.into_iter().map(|secret| (secret.digest.clone(), secret)));
    }
    Ok(answers)
}

/// What is known of a key that was found.
fn known<'a>(key: &Finding, answers: Option<&'a HashMap<String, SecretView>>) -> Option<&'a SecretView> {
    answers?.get(&key.digest.to_hex())
}
