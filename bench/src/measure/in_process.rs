//! Verification without HTTP, by the example of the crate that does it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::plan::Plan;
use crate::server::built;
use crate::table::Row;

use super::say;

/// What the example prints, in rows.
pub(super) fn rows(plan: Plan) -> Result<Vec<Row>> {
    say("in process");
    let example = built("examples/in_process")?;
    let (with, without) = (run(&example, plan, 2)?, run(&example, plan, 0)?);
    Ok(with.into_iter().chain(without).collect())
}

fn run(example: &Path, plan: Plan, limits: usize) -> Result<[Row; 3]> {
    let output = Command::new(example).args([plan.keys.to_string(), limits.to_string()]).output()?;
    ensure!(output.status.success(), "the example in_process failed: {}", output.status);
    let said = String::from_utf8(output.stdout).context("the example in_process printed no text")?;
    let figures = |what: &str| {
        let lines = said.lines().filter_map(|line| line.strip_prefix(what));
        lines.map(|figures| figures.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let row = |what: &str| Row {
        name: format!("in process, {} keys with {limits} limits: {what}", plan.keys),
        note: figures(what).join("; "),
        ..Row::default()
    };
    Ok(["one hot key", "random keys", "memory"].map(row))
}
