//! Measures Keystile against a bare HTTP server on the same machine, and prints one table.
//!
//! `cargo xtask bench [--quick | --huge] [--revocations N] [PART]…` builds what is needed and runs this. The server has one core, the load generator
//! another; every figure is the median of several runs, and every ratio is to the bare server in the same
//! round. It listens on loopback, writes to a temporary folder, and leaves nothing behind.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to who called it")]

mod arguments;
mod client;
mod cpu;
mod crowd;
mod ground;
mod inserts;
mod keys;
mod measure;
mod plan;
mod programs;
mod redis;
mod server;
mod table;
mod world;
mod wrk;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use arguments::Arguments;
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
    let given: Vec<String> = std::env::args().skip(1).collect();
    let Arguments { plan, parts } = Arguments::read(&given)?;
    programs::require(&parts)?;
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure::everything(plan, &parts, &mut Table::begin()))?;
    eprintln!("took {} s", begun.elapsed().as_secs());
    Ok(())
}
