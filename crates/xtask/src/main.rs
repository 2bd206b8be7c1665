//! Repository chores, as `cargo xtask COMMAND`: one file per command.
//!
//! Nothing here is part of the product, and nothing of the product may use it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to who called it")]

mod bench;
mod check;
mod debian;
mod deploy;
mod fuzz;
mod generate;
mod python;
mod run;
mod screenshots;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const HELP: &str = "\
usage: cargo xtask COMMAND

  test [-- FLAGS]   install what the tests need where that is allowed, then run them all;
                    FLAGS go to the test runner: `cargo xtask test -- -p keystile-store`
  check             formatting, lints, documentation, tidy rules, dependencies, generated files, and what is in deploy/
  generate [--check]
                    write the files that the binary describes itself with, or see that they are up to date
  tidy              the rules of this repository only
  screenshots [FOLDER [PAGE]…]
                    pictures of every page of the console, light and dark, on a phone and on a desktop, into
                    target/screenshots or FOLDER; fails for what a test of a page would fail for
  bench [--quick | --huge] [--revocations N] [PART]…
                    measure the release beside a bare HTTP server; bench/README.md says how to read it.
                    PART is hot, cold, start, console, control, events, beside, limited, gateway, cluster
                    (three nodes, which revoke N keys) or in-process; all by default
  fuzz [SECONDS]    search each fuzz target for bad input, 60 seconds by default
";

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let (command, rest) = arguments.split_first().context(HELP)?;
    match (command.as_str(), rest) {
        ("test", flags) => test::run(flags.strip_prefix(&["--".to_owned()]).unwrap_or(flags)),
        ("check", []) => check::run(),
        ("bench", flags) => bench::run(flags),
        ("screenshots", flags) => screenshots::run(flags),
        ("tidy", []) => tidy::run(),
        ("generate", []) => generate::write(),
        ("generate", [flag]) if flag == "--check" => generate::check(),
        ("fuzz", []) => fuzz::run(fuzz::DEFAULT_SECONDS),
        ("fuzz", [seconds]) => fuzz::run(seconds.parse().context("SECONDS must be a whole number")?),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("no such command: {}\n{HELP}", arguments.join(" ")),
    }
}
