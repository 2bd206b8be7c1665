//! Runs a program to its end.

use std::process::{Command, Stdio};

/// Runs it and says what it said when it failed.
pub(crate) fn finish(command: &mut Command) -> Result<(), String> {
    output_of(command).map(drop)
}

/// Runs it and gives what it wrote, or says what it said when it failed.
pub(crate) fn output_of(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr)))
}
