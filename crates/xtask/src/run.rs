//! Starting other programs in the root of the repository.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The folder with the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// `program` with `arguments`, to be run in the root.
pub(crate) fn program(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// `cargo` with `arguments`, to be run in the root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program("cargo", arguments)
}

/// Runs a command whose output is for the reader.
pub(crate) fn shown(command: &mut Command) -> Result<()> {
    let name = name_of(command);
    println!("$ {name}");
    let status = command.status().with_context(|| format!("cannot start `{name}`"))?;
    if status.success() { Ok(()) } else { bail!("`{name}` failed ({status})") }
}

/// Runs a command whose output matters only when it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let name = name_of(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{name}`"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    bail!("`{name}` failed ({})\n{said}{}", output.status, String::from_utf8_lossy(&output.stderr))
}

/// Runs a command that says nothing when all is well.
pub(crate) fn silent(command: &mut Command) -> Result<()> {
    let name = name_of(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{name}`"))?;
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() && said.is_empty() {
        return Ok(());
    }
    bail!("`{name}` has found something ({})\n{}", output.status, String::from_utf8_lossy(&said))
}

/// Whether a command can be started and ends well.
pub(crate) fn works(command: &mut Command) -> bool {
    quiet(command).is_ok()
}

fn name_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_says_something_has_found_something() {
        let says =
            |script: &str| silent(&mut program("sh", &["-c", script])).map_err(|found| found.to_string());
        assert_eq!(says("true"), Ok(()));
        for script in ["echo oops", "echo oops >&2", "echo oops; false"] {
            assert!(says(script).is_err_and(|found| found.contains("oops\n")), "{script}");
        }
        assert!(says("false").is_err());
    }
}
