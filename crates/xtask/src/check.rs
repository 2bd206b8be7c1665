//! `cargo xtask check`: everything that can be said of the source without running it.

use anyhow::{Result, bail};

use crate::run::{cargo, shown, works};
use crate::{deploy, generate, tidy};

/// Runs every check, also after one has failed, and names those that did.
pub(crate) fn run() -> Result<()> {
    let checks: [fn() -> Result<()>; 7] =
        [formatting, lints, documentation, tidy::run, dependencies, generate::check, deploy::check];
    let failures = checks.iter().filter_map(|check| check().err()).map(|failure| format!("{failure:#}"));
    let failures = failures.collect::<Vec<_>>();
    if failures.is_empty() {
        println!("every check passed");
        return Ok(());
    }
    bail!("{} of {} checks failed:\n{}", failures.len(), checks.len(), failures.join("\n"))
}

fn formatting() -> Result<()> {
    shown(&mut cargo(&["fmt", "--all", "--check", "--", "--color=never"]))
}

fn lints() -> Result<()> {
    shown(&mut cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]))
}

fn documentation() -> Result<()> {
    shown(cargo(&["doc", "--no-deps", "--workspace", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// The tidy rules judge licences, bans and sources by `deny.toml` themselves, because compiling
/// cargo-deny takes minutes. Who has it gets its fuller report, too.
fn dependencies() -> Result<()> {
    if works(&mut cargo(&["deny", "--version"])) {
        let kinds = ["licenses", "bans", "sources"];
        return shown(cargo(&["deny", "--log-level", "error", "check"]).args(kinds));
    }
    println!("cargo-deny is not installed: licences, bans and sources were judged by the tidy rules only");
    Ok(())
}
