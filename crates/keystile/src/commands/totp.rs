//! `keystile totp`: a second factor for signing in.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, Secret};
use keystile_wire::{ConfirmTotp, EnrolTotp, RemoveTotp};
use serde_json::json;

use super::context::{Common, Context};
use super::output::{Form, Report};
use super::prompt;
use crate::failure::Failure;

const CODE: &str = "Code of your authenticator";

/// Gives you a second factor for signing in (TOTP), or takes it away again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile totp enrol | qrencode -t utf8   # shows it as a QR code
  keystile totp confirm
  pass keystile | keystile totp remove --password-stdin --code 123456")]
pub(crate) struct TotpCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    Enrol(Enrol),
    Confirm(Confirm),
    Remove(Remove),
}

/// Makes a secret for your authenticator and prints it as an `otpauth://` URI, once. It counts when you have confirmed it.
#[derive(Debug, Args)]
struct Enrol {
    #[command(flatten)]
    password: Password,
}

/// Confirms the secret with a code, and prints recovery codes, once. From then on signing in takes a code.
#[derive(Debug, Args)]
struct Confirm {
    /// The code that your authenticator shows; asked for if it is left out. It works once.
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
}

/// Removes your second factor.
#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    password: Password,
    /// The code that your authenticator shows; asked for if it is left out. It works once.
    #[arg(long, value_name = "CODE", conflicts_with = "recovery_code_stdin")]
    code: Option<String>,
    /// Read a recovery code from the next line of standard input.
    #[arg(long, requires = "password_stdin")]
    recovery_code_stdin: bool,
}

#[derive(Debug, Args)]
struct Password {
    /// Read your password from the first line of standard input; without, it is asked for.
    #[arg(long)]
    password_stdin: bool,
}

/// Runs `keystile totp …`.
pub(crate) async fn run(command: TotpCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::Enrol(enrol) => enrol.run(&context).await,
        Action::Confirm(confirm) => confirm.run(&context).await,
        Action::Remove(remove) => remove.run(&context).await,
    };
    context.print(report).await
}

impl Password {
    fn read(&self) -> Result<Secret, Failure> {
        if self.password_stdin { prompt::from_stdin("Password") } else { prompt::hidden("Password") }
    }
}

fn code_or_ask(code: Option<&str>) -> Result<Secret, Failure> {
    code.map_or_else(|| prompt::hidden(CODE), |code| Ok(Secret::new(code)))
}

impl Enrol {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let password = self.password.read()?;
        let enrolment = context.session.client.enrol_totp(&EnrolTotp { password }).await?;
        let report = match context.form() {
            Form::Json => Report::json(&enrolment)?,
            Form::Text => Report::default().data(enrolment.uri.expose()).note(
                "It is shown once, above: put it into your authenticator, as a QR code or by the `secret` in it.\n\
                 Then confirm it: keystile totp confirm",
            ),
        };
        Ok(report.if_lost("the secret could not be printed; enrol again".to_owned()))
    }
}

impl Confirm {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let code = code_or_ask(self.code.as_deref())?;
        let codes = context.session.client.confirm_totp(&ConfirmTotp { code }).await?;
        let lost = "the second factor is confirmed, but its recovery codes could not be printed and are lost; \
            for others: keystile totp remove, and enrol again";
        let report = match context.form() {
            Form::Json => Report::json(&codes)?,
            Form::Text => {
                let report = codes
                    .recovery_codes
                    .iter()
                    .fold(Report::default(), |report, code| report.data(code.expose()));
                report.note(
                    "From now on signing in takes a code of your authenticator. Should you lose it, each of the \
                     recovery codes above,\nwhich are shown once, stands in for it, once: keep them elsewhere.",
                )
            }
        };
        Ok(report.if_lost(lost.to_owned()))
    }
}

impl Remove {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let password = self.password.read()?;
        let (code, recovery_code) = if self.recovery_code_stdin {
            (None, Some(prompt::from_stdin("Recovery code")?))
        } else {
            (Some(code_or_ask(self.code.as_deref())?), None)
        };
        context.session.client.remove_totp(&RemoveTotp { password, code, recovery_code }).await?;
        let said = "You have no second factor any more; signing in takes the password alone.";
        Report::done(context.form(), &json!({ "second_factor": false }), said)
    }
}
