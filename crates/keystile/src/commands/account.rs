//! `keystile login`, `logout`, `whoami` and `password`: a person's own session and password.

use std::process::ExitCode;

use clap::Args;
use keystile_client::{Client, ClientError, Credential};
use keystile_core::{Clock, Secret, TenantId};
use keystile_wire::{ChangePassword, Logout, MeView, ResetPassword, TokenRequest};
use serde_json::json;

use super::connection::{Connection, DEFAULT_URL, Session, warn_if_readable};
use super::credentials::Variables;
use super::output::{Form, Report, plain};
use super::prompt;
use super::stored::{LoginFile, Stale, StoredLogin};
use super::table::{fields, table};
use crate::failure::Failure;

/// Signs in and keeps the session, so that other commands need no password.
///
/// The session stands in keystile/login.json in your folder of settings, readable by you alone. It is refreshed by itself
/// and ends when it was not used for two weeks, or with `keystile logout`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile login --url https://keys.example.com --email ada@example.com
  pass keystile | keystile login --email ada@example.com --password-stdin")]
pub(crate) struct LoginCommand {
    /// Address of the server [env: KEYSTILE_URL] [default: http://127.0.0.1:7878].
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Tenant to act in; by default your first [env: KEYSTILE_TENANT].
    #[arg(long, value_name = "TENANT_ID")]
    tenant: Option<TenantId>,
    /// Your address; asked for if it is left out [env: KEYSTILE_EMAIL].
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// Read the password from the first line of standard input.
    #[arg(long)]
    password_stdin: bool,
    /// The code that your authenticator shows; asked for when it is needed. It works once.
    #[arg(long, value_name = "CODE", conflicts_with = "recovery_code_stdin")]
    code: Option<String>,
    /// Read a recovery code from the next line of standard input.
    #[arg(long, requires = "password_stdin")]
    recovery_code_stdin: bool,
    /// Print who signed in as JSON, as the API gives it.
    #[arg(long)]
    json: bool,
}

/// Ends the session that `keystile login` has kept.
#[derive(Debug, Args)]
pub(crate) struct LogoutCommand {
    /// End all of your sessions, on every device.
    #[arg(long)]
    everywhere: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Tells as whom the server knows you, and in which tenants you are.
#[derive(Debug, Args)]
pub(crate) struct WhoamiCommand {
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Changes your password, which ends all your other sessions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile password
  printf '%s\\n' \"$OLD\" \"$NEW\" | keystile password --stdin
  keystile password --reset --url https://keys.example.com   # with a token from an admin")]
pub(crate) struct PasswordCommand {
    /// Read the current password and the new one from standard input, a line each.
    #[arg(long)]
    stdin: bool,
    /// Set the password anew with a token from an admin or the operator, which is asked for in place of the current
    /// password.
    #[arg(long)]
    reset: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl LoginCommand {
    /// Runs `keystile login`.
    pub(crate) async fn run(self, clock: &dyn Clock) -> Result<ExitCode, Failure> {
        let file = LoginFile::required()?;
        let variables = Variables::read();
        let url = self.url.clone().or(variables.url.clone()).unwrap_or_else(|| DEFAULT_URL.to_owned());
        warn_if_readable(&url);
        let tenant_id = match self.tenant {
            Some(tenant) => Some(tenant),
            None => variables.tenant()?,
        };
        let email = match self.email.clone().or(variables.email) {
            Some(email) => email,
            None => prompt::line("Email")?,
        };
        let password =
            if self.password_stdin { prompt::from_stdin("Password") } else { prompt::hidden("Password") }?;
        let code = self.code.as_deref().map(Secret::new);
        let recovery_code =
            if self.recovery_code_stdin { Some(prompt::from_stdin("Recovery code")?) } else { None };
        let mut request = TokenRequest { email, password, tenant_id, code, recovery_code };
        let before = clock.now();
        let (client, answer) = match Client::sign_in_with(&url, &request).await {
            Err(error) if self.may_ask_for_a_code(&error) => {
                request.code = Some(prompt::hidden("Code of your authenticator")?);
                Client::sign_in_with(&url, &request).await?
            }
            signed_in => signed_in?,
        };
        file.store(&StoredLogin::of(client.base_url(), &request.email, answer, before)?)?;
        let me = client.me().await?;
        match Form::of(self.json) {
            Form::Json => Report::json(&me)?.print(),
            Form::Text => {
                Report::default().note(format!("Signed in at {} as {}.", client.base_url(), me.email)).print()
            }
        }
    }

    fn may_ask_for_a_code(&self, error: &ClientError) -> bool {
        let is_needed =
            matches!(error, ClientError::Problem(problem) if problem.code == "second_factor_required");
        is_needed && !self.password_stdin && self.code.is_none()
    }
}

impl LogoutCommand {
    /// Runs `keystile logout`.
    pub(crate) async fn run(self, clock: &dyn Clock) -> Result<ExitCode, Failure> {
        let file = LoginFile::required()?;
        let Some(login) = file.read()? else { return self.done("You are not signed in.") };
        warn_if_readable(&login.base_url);
        match file.fresh(clock).await {
            Ok(Some(login)) => self.end(&login).await?,
            Ok(None) | Err(Stale::Ended) => {}
            Err(Stale::Failed(failure)) => return Err(failure),
        }
        file.forget()?;
        self.done("Signed out.")
    }

    fn done(&self, said: &str) -> Result<ExitCode, Failure> {
        Report::done(Form::of(self.json), &json!({ "signed_in": false }), said)?.print()
    }

    async fn end(&self, login: &StoredLogin) -> Result<(), Failure> {
        let client = Client::new(&login.base_url, &Credential::Token(login.token()))?;
        match client.logout(&Logout { everywhere: self.everywhere }).await {
            Err(ClientError::Problem(problem)) if problem.code == "session_ended" => Ok(()),
            ended => Ok(ended?),
        }
    }
}

impl WhoamiCommand {
    /// Runs `keystile whoami`.
    pub(crate) async fn run(self, clock: &dyn Clock) -> Result<ExitCode, Failure> {
        let work = async |session: &Session| {
            let me = session.client.me().await?;
            match Form::of(self.json) {
                Form::Json => Report::json(&me)?.print(),
                Form::Text => Report::default().data(&shown(&me, session.client.base_url())).print(),
            }
        };
        self.connection.with(clock, work).await
    }
}

fn shown(me: &MeView, base_url: &str) -> String {
    let yes = |truth| if truth { "yes" } else { "no" }.to_owned();
    let facts = fields(&[
        ("server", base_url.to_owned()),
        ("person", me.id.to_string()),
        ("email", plain(me.email.as_str()).into_owned()),
        ("second factor", yes(me.second_factor)),
        ("session", me.session.id.to_string()),
        ("ends", me.session.expires_at.to_string()),
    ]);
    let tenants = me.tenants.iter();
    let rows: Vec<_> = tenants
        .map(|tenant| [tenant.id.to_string(), tenant.name.to_string(), tenant.role.to_string()])
        .collect();
    format!("{facts}\n{}", table(["TENANT", "NAME", "ROLE"], &rows))
}

impl PasswordCommand {
    /// Runs `keystile password`.
    pub(crate) async fn run(self, clock: &dyn Clock) -> Result<ExitCode, Failure> {
        if self.reset {
            return self.set_anew().await;
        }
        let work = async |session: &Session| {
            let (current_password, new_password) = self.ask("Current password")?;
            session.client.change_password(&ChangePassword { current_password, new_password }).await?;
            self.done("The password is changed. All your other sessions have ended.")
        };
        self.connection.with(clock, work).await
    }

    async fn set_anew(&self) -> Result<ExitCode, Failure> {
        let url = self.connection.address();
        warn_if_readable(&url);
        let (token, new_password) = self.ask("Token")?;
        Client::reset_password(&url, &ResetPassword { token, new_password }).await?;
        self.done("The password is set. Sign in with it: `keystile login`.")
    }

    fn done(&self, said: &str) -> Result<ExitCode, Failure> {
        Report::done(Form::of(self.json), &json!({ "password_changed": true }), said)?.print()
    }

    fn ask(&self, what: &str) -> Result<(Secret, Secret), Failure> {
        if self.stdin {
            return Ok((prompt::from_stdin(what)?, prompt::from_stdin("New password")?));
        }
        Ok((prompt::hidden(what)?, prompt::new_password()?))
    }
}
