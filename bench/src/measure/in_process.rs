//! Verification without HTTP, by the example of the crate that does it.

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
    let output = Command::new(example).arg(plan.keys.to_string()).output()?;
    ensure!(output.status.success(), "the example in_process failed: {}", output.status);
    let said = String::from_utf8(output.stdout).context("the example in_process printed no text")?;
    let kept = ["memory", "one hot key", "random keys"];
    let lines =
        said.lines().filter_map(|line| kept.iter().find_map(|what| Some((*what, line.strip_prefix(what)?))));
    Ok(lines.map(|(what, figures)| row(what, figures, plan)).collect())
}

fn row(what: &str, figures: &str, plan: Plan) -> Row {
    let note = figures.split_whitespace().collect::<Vec<_>>().join(" ");
    Row { name: format!("in process, {} keys: {what}", plan.keys), note, ..Row::default() }
}
