//! Measures Keystile against a bare HTTP server on the same machine, and prints one table.
//!
//! `cargo xtask bench [--quick | --huge]` builds what is needed and runs this. The server has one core, the load generator
//! another; every figure is the median of several runs, and every ratio is to the bare server in the same
//! round. It listens on loopback, writes to a temporary folder, and leaves nothing behind.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to who called it")]

mod client;
mod crowd;
mod keys;
mod measure;
mod plan;
mod server;
mod table;
mod world;
mod wrk;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use plan::Plan;
use table::Table;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Plan::FULL,
        ["--quick"] => Plan::QUICK,
        ["--huge"] => Plan::HUGE,
        _ => bail!("usage: cargo xtask bench [--quick | --huge]"),
    };
    wrk::require()?;
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure::everything(plan, &mut Table::begin()))?;
    eprintln!("took {} s", begun.elapsed().as_secs());
    Ok(())
}
