//! Measures Keystile against a bare HTTP server on the same machine, and prints one table.
//!
//! `cargo xtask bench [--quick | --huge] [PART]…` builds what is needed and runs this. The server has one core, the load generator
//! another; every figure is the median of several runs, and every ratio is to the bare server in the same
//! round. It listens on loopback, writes to a temporary folder, and leaves nothing behind.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line talks to who called it")]

mod client;
mod crowd;
mod inserts;
mod keys;
mod measure;
mod plan;
mod server;
mod table;
mod world;
mod wrk;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};

use measure::Part;
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
    let (plan, named) = match arguments.split_first() {
        Some((flag, named)) if flag == "--quick" => (Plan::QUICK, named),
        Some((flag, named)) if flag == "--huge" => (Plan::HUGE, named),
        _ => (Plan::FULL, arguments.as_slice()),
    };
    let parts = parts(named)?;
    wrk::require()?;
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure::everything(plan, &parts, &mut Table::begin()))?;
    eprintln!("took {} s", begun.elapsed().as_secs());
    Ok(())
}

/// The parts of these names, or all.
fn parts(named: &[String]) -> Result<Vec<Part>> {
    if named.is_empty() {
        return Ok(Part::ALL.to_vec());
    }
    let part = |name: &String| {
        let found = Part::ALL.into_iter().find(|part| part.name() == name);
        found.with_context(|| {
            let known = Part::ALL.map(Part::name).join(", ");
            format!("`{name}` is no part; usage: cargo xtask bench [--quick | --huge] [PART]…, of {known}")
        })
    };
    named.iter().map(part).collect()
}
