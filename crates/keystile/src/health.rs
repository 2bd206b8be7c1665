//! `keystile health`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use keystile_client::{Client, ClientError};
use serde_json::json;

use crate::commands::{Form, Report};
use crate::config::Settings;
use crate::failure::Failure;
use crate::first_start::reachable;

/// Tells whether a server serves: it is ready (exit status 0), or not (1).
///
/// Without a URL it asks the server on this machine that has these settings: its listener for operations, which has connections
/// of its own, or that of the API if there is no other. In a container whose variables are those of the server, nothing has to be
/// said.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile health
  keystile health http://10.0.0.7:7878")]
pub(crate) struct HealthCommand {
    /// Address of the server.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The server's file with settings, in TOML.
    #[arg(long, env = "KEYSTILE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address that the server listens on [default: 127.0.0.1:7878].
    #[arg(long, env = "KEYSTILE_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Address that the server listens on for those who operate it [default: none].
    #[arg(long, env = "KEYSTILE_OPERATIONS_LISTEN", hide_env_values = true, value_name = "ADDRESS")]
    operations_listen: Option<SocketAddr>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs `keystile health`.
pub(crate) async fn run(command: HealthCommand) -> Result<ExitCode, Failure> {
    let form = Form::of(command.json);
    let url = command.url()?;
    let reason = match Client::ready(&url).await {
        Ok(()) => None,
        // It is the question that is wrong, and nothing was asked.
        Err(error @ ClientError::Unsendable(_)) => return Err(error.into()),
        Err(ClientError::Interrupted { .. }) => Some(format!("{url} gave no answer, or none in time")),
        Err(
            error @ (ClientError::Unreachable { .. }
            | ClientError::Problem(_)
            | ClientError::Unexpected { .. }),
        ) => Some(error.to_string()),
    };
    report(&url, reason.as_deref(), form)?.print()
}

impl HealthCommand {
    fn url(self) -> Result<String, Failure> {
        if let Some(url) = self.url {
            return Ok(url);
        }
        let Self { listen, operations_listen, .. } = self;
        let given = Settings { listen, operations_listen, ..Settings::default() };
        let settings = given.with_file(self.config.as_ref())?;
        let address = settings.operations_listen.unwrap_or_else(|| settings.listen());
        Ok(format!("http://{}", reachable(address)))
    }
}

fn report(url: &str, reason: Option<&str>, form: Form) -> Result<Report, Failure> {
    let report = match form {
        Form::Json => Report::json(&json!({ "url": url, "ready": reason.is_none(), "reason": reason }))?,
        Form::Text => Report::default().note(match reason {
            None => format!("{url} is ready"),
            Some(reason) => format!("not ready: {reason}"),
        }),
    };
    Ok(if reason.is_some() { report.refused() } else { report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_of_these_settings_is_asked_on_its_own_machine() {
        let asked = |url: Option<&str>, listen: Option<&str>, operations: Option<&str>| {
            let address = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let command = HealthCommand {
                url: url.map(str::to_owned),
                config: None,
                listen: address(listen),
                operations_listen: address(operations),
                json: false,
            };
            command.url().unwrap()
        };
        let (api, operations) = (Some("0.0.0.0:80"), Some("[::]:7880"));
        assert_eq!(asked(None, None, None), "http://127.0.0.1:7878");
        assert_eq!(asked(None, api, None), "http://127.0.0.1:80");
        assert_eq!(asked(None, api, operations), "http://[::1]:7880");
        assert_eq!(asked(Some("https://keys.example.com"), api, operations), "https://keys.example.com");
    }

    #[test]
    fn only_a_server_that_is_ready_ends_with_success() {
        let status = |reason| report("http://a", reason, Form::Text).unwrap().exit_status();
        assert_eq!((status(None), status(Some("no"))), (0, 1));
    }
}
