//! `keystile openapi`.

use std::io::Write as _;
use std::process::ExitCode;

use crate::failure::Failure;

/// Prints the OpenAPI document, pretty and with a final line break.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let document = keystile_web::openapi().to_pretty_json();
    let mut text =
        document.map_err(|error| Failure::because("the OpenAPI document cannot be written", &error))?;
    text.push('\n');
    let mut out = std::io::stdout().lock();
    // A reader that has seen enough is no failure.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(ExitCode::SUCCESS)
}
