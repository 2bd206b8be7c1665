//! `keystile admin`: what the operator does to persons, on the server's own database.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::Email;
use keystile_engine::control_plane;
use keystile_manage::{ControlPlane, Refused, ResetOffer};
use keystile_wire::ResetOfferView;
use serde_json::json;

use crate::commands::{Form, Report};
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
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
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
    let settings = settings.quiet().with_file(command.config.as_ref())?;
    settings.start_logging()?;
    let store = open_store(&settings).await?;
    let control = control_plane(&settings.engine()?, &store).await?;
    let outcome = what.carry_out(&control, &email).await;
    store.close().await;
    let refused = |refused: Refused| Failure::because(format!("nothing was done about {email}"), &refused);
    outcome.map_err(refused)?.report(&email, Form::of(command.json))?.print()
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
    async fn carry_out(self, control: &ControlPlane, email: &Email) -> Result<Outcome, Refused> {
        Ok(match self {
            Self::ResetPassword => Outcome::Offered(control.offer_reset_as_operator(email).await?),
            Self::RemoveSecondFactor => {
                let said = ["has no second factor any more.", "had no second factor."];
                Outcome::done(control.remove_factor_as_operator(email).await?, said)
            }
            Self::Disable => {
                let said = ["cannot sign in any more, and has no sessions.", "was disabled before."];
                Outcome::done(control.disable_person(email).await?, said)
            }
            Self::Enable => {
                let said = ["can sign in again.", "was not disabled."];
                Outcome::done(control.enable_person(email).await?, said)
            }
        })
    }
}

/// What became of it.
enum Outcome {
    Offered(ResetOffer),
    /// Whether anything was changed, and in words what holds of the person now.
    Done(bool, &'static str),
}

impl Outcome {
    /// `said` has the words for a change and for none.
    fn done(is_changed: bool, said: [&'static str; 2]) -> Self {
        let [changed, unchanged] = said;
        Self::Done(is_changed, if is_changed { changed } else { unchanged })
    }

    fn report(self, email: &Email, form: Form) -> Result<Report, Failure> {
        match self {
            Self::Offered(ResetOffer { token, expires_at }) => {
                let lost = "the token could not be printed; make another".to_owned();
                let report = match form {
                    Form::Json => Report::json(&ResetOfferView::of(token, expires_at))?,
                    Form::Text => Report::default()
                        .data(token.expose())
                        .note(format!(
                            "It works once, until {expires_at}: `keystile password --reset`, or behind the `#` of \
                             /console/reset#… at the server."
                        )),
                };
                Ok(report.if_lost(lost))
            }
            Self::Done(is_changed, said) => {
                let document = json!({ "email": email, "changed": is_changed });
                Report::done(form, &document, &format!("{email} {said}"))
            }
        }
    }
}
