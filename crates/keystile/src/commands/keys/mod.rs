//! `keystile keys`: the keys of a tenant, through a server's API.

mod addresses;
mod amend;
mod block;
mod create;
mod delete;
mod exposure;
mod import;
mod list;
mod own_secret;
mod refused;
mod regenerate;
mod revoke;
mod rotate;
mod setting;
mod settings;
mod show;
mod switch;
mod update;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, KeyId, Timestamp};
use keystile_wire::{CreatedKey, KeyView};

pub(super) use refused::in_flags;

use super::connection::{Connection, Session};
use super::output::{Form, Report, plain};
use super::record::sheet;
use crate::failure::Failure;

/// Creates, lists, changes, checks and ends API keys, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  export KEYSTILE_URL=https://keys.example.com KEYSTILE_EMAIL=ada@example.com
  read -rs KEYSTILE_PASSWORD && export KEYSTILE_PASSWORD
  KEY=$(keystile keys create web --permission customers:read)
  echo \"$KEY\" | keystile keys verify --permission customers:read
  keystile keys list
  keystile keys update key_01J8… --rpm 600 --clear expires

Data goes to standard output, everything else to standard error.
Exit status: 0 done or allowed, 1 `keys verify` refused the key, 2 it could
not be done, and standard error tells why.")]
pub(crate) struct KeysCommand {
    #[command(subcommand)]
    action: Action,
    /// Print JSON, as the API gives it.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Box<create::Create>),
    Import(import::Import),
    List(list::List),
    Show(show::Show),
    Usage(usage::Usage),
    Addresses(addresses::Addresses),
    Exposure(exposure::Exposure),
    #[command(visible_alias = "patch")]
    Update(Box<update::Update>),
    Disable(switch::Disable),
    Enable(switch::Enable),
    Block(block::Block),
    Unblock(block::Unblock),
    Regenerate(regenerate::Regenerate),
    Rotate(rotate::Rotate),
    Revoke(revoke::Revoke),
    Delete(delete::Delete),
    Verify(verify::Verify),
}

/// Runs `keystile keys …`.
pub(crate) async fn run(command: KeysCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let session = command.connection.open(clock).await?;
    let context = Context { session, form: Form::of(command.json), now: clock.now() };
    let report = match command.action {
        Action::Create(create) => create.run(&context).await,
        Action::Import(import) => import.run(&context).await,
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Usage(usage) => usage.run(&context).await,
        Action::Addresses(addresses) => addresses.run(&context).await,
        Action::Exposure(exposure) => exposure.run(&context).await,
        Action::Update(update) => update.run(&context).await,
        Action::Disable(disable) => disable.run(&context).await,
        Action::Enable(enable) => enable.run(&context).await,
        Action::Block(block) => block.run(&context).await,
        Action::Unblock(unblock) => unblock.run(&context).await,
        Action::Regenerate(regenerate) => regenerate.run(&context).await,
        Action::Rotate(rotate) => rotate.run(&context).await,
        Action::Revoke(revoke) => revoke.run(&context).await,
        Action::Delete(delete) => delete.run(&context).await,
        Action::Verify(verify) => verify.run(&context).await,
    };
    let printed = report.and_then(Report::print);
    context.session.close().await;
    printed
}

/// What every action needs.
struct Context {
    session: Session,
    form: Form,
    now: Timestamp,
}

/// Which key.
#[derive(Debug, Args)]
struct Which {
    /// Id of the key, as `keystile keys list` shows it.
    #[arg(value_name = "KEY_ID")]
    id: KeyId,
}

/// The record after a change; people read what was done.
fn changed(key: &KeyView, done: &str, context: &Context) -> Result<Report, Failure> {
    match context.form {
        Form::Json => Report::json(key),
        Form::Text => Ok(Report::default()
            .data(&sheet(key, context.now))
            .note(format!("{} {done}.", plain(key.name.as_str())))),
    }
}

/// A secret, alone on standard output so that `KEY=$(…)` takes it.
fn shown_once(created: &CreatedKey, done: &str, context: &Context) -> Result<Report, Failure> {
    let lost = format!(
        "{} was {done}, but its secret could not be printed and is lost; get a new one: keystile keys regenerate {}",
        plain(created.key.name.as_str()),
        created.key.id
    );
    let report = match context.form {
        Form::Json => Report::json(created)?,
        Form::Text => Report::default()
            .data(created.secret.expose())
            .note(format!("\n{}", sheet(&created.key, context.now)))
            .note("The secret is shown once, above; keep it where your secrets are kept."),
    };
    Ok(report.if_lost(lost))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use keystile_core::Secret;

    use super::super::record::sample;
    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "keystile")]
    struct Line {
        #[command(subcommand)]
        command: Top,
    }

    #[derive(Debug, Subcommand)]
    enum Top {
        Keys(Box<KeysCommand>),
        Key(super::super::KeyCommand),
    }

    fn parsed(line: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(line.split_whitespace())
    }

    const ID: &str = "key_01HF7YAT000000000000000001";

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Line::command().debug_assert();
    }

    #[test]
    fn connection_options_stand_before_or_behind_the_action() {
        for line in [
            "keystile keys --url http://h --json list".to_owned(),
            "keystile keys list --url http://h --json".to_owned(),
            format!(
                "keystile keys revoke {ID} --yes --reason leaked --tenant ten_01HF7YAT000000000000000001"
            ),
            format!("keystile keys show {ID} --credentials-file dev.json"),
            "keystile key inspect --json".to_owned(),
        ] {
            parsed(&line).unwrap();
        }
    }

    #[test]
    fn wrong_words_are_refused_before_anything_is_sent() {
        for (line, named) in [
            ("keystile keys show web", "must be an id"),
            ("keystile keys create web --environment prod", "production"),
            ("keystile keys create web --permission customers", "customers:read"),
            ("keystile keys create web --expires soon", "30d"),
            ("keystile keys create web --rpm 0", "1..=1000000000"),
            ("keystile keys create web --rate-limit 1000/h", "1000/1h"),
            ("keystile keys create web --metadata-json [] ", "JSON object"),
            ("keystile keys create web --secret-file - --secret-stdin", "cannot be used with"),
            (&format!("keystile keys update {ID} --clear name"), "expires"),
            (
                &format!("keystile keys update {ID} --permission a:b --add-permission c:d"),
                "cannot be used with",
            ),
            (&format!("keystile keys block {ID}"), "--reason"),
            (&format!("keystile keys block {ID} --reason="), "1 to 200 characters"),
            ("keystile keys list --limit 5 --all", "cannot be used with"),
            (&format!("keystile keys usage {ID} --from yesterday"), "30d"),
            (&format!("keystile keys usage {ID} --step week"), "hour"),
            ("keystile keys verify sk_x --stdin", "cannot be used with"),
        ] {
            let refused = parsed(line).unwrap_err().to_string();
            assert!(refused.contains(named), "{line}: {refused}");
        }
    }

    #[test]
    fn a_key_on_the_command_line_is_not_in_the_debug_text() {
        let line = parsed("keystile keys verify open-sesame").unwrap();
        assert!(!format!("{line:?}").contains("sesame"));
    }

    #[test]
    fn passwords_and_tokens_are_no_flags() {
        for flag in ["--password", "--token", "--email"] {
            assert!(parsed(&format!("keystile keys list {flag} x")).is_err(), "{flag}");
        }
    }

    #[test]
    fn a_secret_stands_alone_on_standard_output() {
        let created = CreatedKey::of(sample::key("web"), Secret::new("sk_ks_live_x"));
        let context = Context { session: Session::nowhere(), form: Form::Text, now: sample::now() };
        let (data, notes) = shown_once(&created, "created", &context).unwrap().printed();
        assert_eq!(data, "sk_ks_live_x\n");
        assert!(notes.contains("shown once") && !notes.contains("sk_ks_live_x\n"), "{notes}");
    }
}
