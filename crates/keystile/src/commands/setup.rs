//! `keystile setup`: making a new installation one's own.

use std::process::ExitCode;

use clap::Args;
use keystile_client::Client;
use keystile_core::Secret;
use keystile_wire::SetUp;

use super::connection::warn_if_readable;
use super::output::{Form, Report};
use super::prompt;
use crate::failure::Failure;
use crate::first_start::PAGE;

/// Makes the first person of a new installation, with the link that `keystile serve` wrote when it started.
///
/// The link is asked for, as it opens the installation to whoever sees it first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile setup --email ada@example.com
  printf '%s\\n' \"$LINK\" \"$PASSWORD\" | keystile setup --email ada@example.com --stdin")]
pub(crate) struct SetupCommand {
    /// The address you will sign in with; asked for if it is left out.
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
    /// What the first tenant is called [default: Main].
    #[arg(long, value_name = "NAME")]
    tenant_name: Option<String>,
    /// Read the link and your password to be from standard input, a line each.
    #[arg(long, requires = "email")]
    stdin: bool,
    /// Print JSON, as the API gives it.
    #[arg(long)]
    json: bool,
}

impl SetupCommand {
    /// Runs `keystile setup`.
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let link = if self.stdin { prompt::from_stdin("Link") } else { prompt::hidden("Link") }?;
        let (url, token) = parts(&link)?;
        warn_if_readable(url);
        let email = match self.email {
            Some(email) => email,
            None => prompt::line("Email")?,
        };
        let password = if self.stdin { prompt::from_stdin("Password") } else { prompt::new_password() }?;
        let request = SetUp { token, email, password, tenant_name: self.tenant_name };
        let made = Client::set_up(url, &request).await?;
        match Form::of(self.json) {
            Form::Json => Report::json(&made)?.print(),
            Form::Text => Report::default()
                .data(&made.tenant_id.to_string())
                .note(format!(
                    "It is yours. Sign in: `keystile login --url {url} --email {}`.",
                    request.email
                ))
                .print(),
        }
    }
}

/// Where the server is, and the token.
fn parts(link: &Secret) -> Result<(&str, Secret), Failure> {
    let parts = link.expose().trim().split_once('#').and_then(|(page, token)| {
        let url = page.strip_suffix(PAGE)?;
        Some((url, Secret::new(token)))
    });
    parts.ok_or_else(|| {
        Failure::new(format!("this is no link for setting up: it has the form http://…{PAGE}#kssetup_…"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_server_and_the_token() {
        let link = Secret::new(" https://keys.example.com/console/setup#kssetup_01 ");
        let (url, token) = parts(&link).unwrap();
        assert_eq!((url, token.expose()), ("https://keys.example.com", "kssetup_01"));
        for broken in
            ["kssetup_01", "https://keys.example.com/#kssetup_01", "https://keys.example.com/console/setup"]
        {
            let refused = format!("{:?}", parts(&Secret::new(broken)).unwrap_err());
            assert!(!refused.contains("kssetup_01"), "{refused}");
        }
    }
}
