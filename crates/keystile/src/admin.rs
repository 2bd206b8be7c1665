//! `keystile admin`: what the operator does to persons, on the server's own database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Email;
use keystile_engine::control_plane;
use keystile_manage::{ControlPlane, Refused};

use crate::commands::Report;
use crate::compose::open_store;
use crate::config::Settings;
use crate::failure::Failure;

/// Helps persons in or keeps them out, on the server's own database.
///
/// Run it where the server runs, with the same settings. A server on SQLite must be stopped meanwhile; on PostgreSQL it
/// goes on, and what is done here takes effect with its next request.
#[derive(Debug, Args)]
pub(crate) struct AdminCommand {
    #[command(subcommand)]
    action: Action,
    /// File with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token with which a person sets their password anew, once, within 24 hours: `keystile password --reset`.
    ResetPassword(Whom),
    /// Take the second factor away from a person who has lost it.
    RemoveSecondFactor(Whom),
    /// Keep a person from signing in, and end all their sessions.
    DisablePerson(Whom),
    /// Let a person sign in again.
    EnablePerson(Whom),
}

#[derive(Debug, Args)]
struct Whom {
    /// The person's address.
    #[arg(value_name = "EMAIL")]
    email: Email,
    #[command(flatten)]
    settings: Settings,
}

/// Runs `keystile admin …`.
pub(crate) async fn run(command: AdminCommand) -> Result<ExitCode, Failure> {
    let (what, Whom { email, settings }) = command.action.parts();
    let settings = Settings { log: settings.log.or_else(|| Some("warn".to_owned())), ..settings };
    let settings = settings.with_file(command.config.as_ref())?;
    settings.start_logging()?;
    let store = open_store(&settings).await?;
    let control = control_plane(&settings.engine()?, &store).await?;
    let report = what.carry_out(&control, &email).await;
    store.close().await;
    let refused = |refused: Refused| Failure::because(format!("nothing was done about {email}"), &refused);
    report.map_err(refused)?.print()
}

/// What to do.
enum What {
    ResetPassword,
    RemoveSecondFactor,
    Disable,
    Enable,
}

impl Action {
    fn parts(self) -> (What, Whom) {
        match self {
            Self::ResetPassword(whom) => (What::ResetPassword, whom),
            Self::RemoveSecondFactor(whom) => (What::RemoveSecondFactor, whom),
            Self::DisablePerson(whom) => (What::Disable, whom),
            Self::EnablePerson(whom) => (What::Enable, whom),
        }
    }
}

impl What {
    async fn carry_out(self, control: &ControlPlane, email: &Email) -> Result<Report, Refused> {
        let said = |done, yes: &str, no: &str| {
            Report::default().note(format!("{email} {}", if done { yes } else { no }))
        };
        Ok(match self {
            Self::ResetPassword => {
                let offer = control.offer_reset_as_operator(email).await?;
                let until = offer.expires_at;
                Report::default()
                    .data(offer.token.expose())
                    .note(format!("It works once, until {until}: `keystile password --reset`."))
                    .if_lost("the token could not be printed; make another".to_owned())
            }
            Self::RemoveSecondFactor => {
                let done = control.remove_factor_as_operator(email).await?;
                said(done, "has no second factor any more.", "had no second factor.")
            }
            Self::Disable => {
                let done = control.disable_person(email).await?;
                said(done, "cannot sign in any more, and has no sessions.", "was disabled before.")
            }
            Self::Enable => {
                let done = control.enable_person(email).await?;
                said(done, "can sign in again.", "was not disabled.")
            }
        })
    }
}
