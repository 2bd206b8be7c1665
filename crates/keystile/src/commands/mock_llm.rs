//! `keystile mock-llm`.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use keystile_mock::{BEHAVIOURS, MockLlm, MockSettings};

use super::output::Report;
use crate::failure::Failure;
use crate::stop::{self, Hangup};

/// Stand in for a provider of language models, in the shapes of OpenAI and Anthropic.
///
/// It asks nobody, costs nothing, and says the same to everybody. What it would have billed, and what it was asked, is told at
/// /mock/billed and /mock/asked. It is for tests: give it no real credential.
#[derive(Debug, Args)]
#[command(after_help = behaviours())]
pub(crate) struct MockLlmCommand {
    /// Where it listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The only credential that it takes; without this it takes all.
    #[arg(long, value_name = "TEXT")]
    credential: Option<String>,
    /// How all models behave, such as `slow=20+usage-missing`.
    #[arg(long, value_name = "BEHAVIOUR", default_value = "")]
    behaviour: String,
    /// A model that it lists; it answers for every other name, too.
    #[arg(long = "model", value_name = "NAME", default_value = "mock")]
    models: Vec<String>,
}

/// How models behave, for the end of the help.
fn behaviours() -> String {
    let longest = BEHAVIOURS.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let line = |(name, meaning): &(&str, &str)| format!("  {name:<longest$}  {meaning}\n");
    let table: String = BEHAVIOURS.iter().map(line).collect();
    format!(
        "Whoever asks for the model `mock+slow=20+cut=3` gets an answer that is slow and cut. Behaviours:\n\n{table}"
    )
}

/// Answers until it is told to stop.
pub(crate) async fn run(command: MockLlmCommand) -> Result<ExitCode, Failure> {
    let requested = stop::requested(Hangup::Stops)?;
    let MockLlmCommand { listen, credential, behaviour, models } = command;
    let mock = MockLlm::start(MockSettings { listen, credential, behaviour, models });
    let mock =
        mock.map_err(|error| Failure::because(format!("the mock does not start at {listen}"), &error))?;
    Report::default().data(&guide(&mock.url())).print()?;
    requested.await;
    // It waits for its thread.
    drop(mock);
    Ok(ExitCode::SUCCESS)
}

fn guide(url: &str) -> String {
    format!(
        "The mock listens at {url}

Ask it:
  curl {url}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{\"model\": \"mock\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'
What it would have billed:
  curl {url}/mock/billed
Give it to a tenant as a provider:
  keystile providers create mock --protocol openai --base-url {url}/v1
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_has_every_behaviour() {
        let help = behaviours();
        assert!(BEHAVIOURS.iter().all(|(name, _)| help.contains(name)), "{help}");
    }
}
