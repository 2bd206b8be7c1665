//! Texts that the program makes of itself.

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;

/// `keystile openapi`: the OpenAPI document, pretty and with a final line break.
pub(crate) fn openapi() -> Result<ExitCode, Failure> {
    let document = keystile_web::openapi().to_pretty_json();
    let mut text =
        document.map_err(|error| Failure::because("the OpenAPI document cannot be written", &error))?;
    text.push('\n');
    Ok(print(text.as_bytes()))
}

/// `keystile completions`: the script by which a shell completes our commands and flags.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "keystile", &mut script);
    print(&script)
}

/// Prints a text as it is.
pub(crate) fn print(text: &[u8]) -> ExitCode {
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough is no failure.
    let _ = out.write_all(text).and_then(|()| out.flush());
    ExitCode::SUCCESS
}
