//! One key that is asked for at all nodes far more often than its limit allows.

use std::time::Instant;

use anyhow::Result;

use super::nodes::{CONNECTIONS, NODES, Nodes};
use super::say;
use crate::measure::limited::{Admitted, RPM, load};
use crate::plan::Plan;
use crate::table::Row;
use crate::wrk::Load;

/// The part of what may be admitted that nodes have to admit: each may hold some of it that it does not need.
const LEAST: f64 = 0.95;

/// How many are admitted by all nodes together, beside how many may be.
pub(super) async fn rows(nodes: &Nodes<'_>, plan: Plan) -> Result<Vec<Row>> {
    say(&format!("one key beyond its limit at {NODES} nodes"));
    let load = load(nodes.world, nodes.first()?).await?;
    let load = Load { connections: CONNECTIONS, ..load };
    let begun = Instant::now();
    let (run, beside) = nodes.run(&load, plan.limited_seconds).await?;
    let admitted = Admitted::of(&run, begun.elapsed(), LEAST)?;
    let seconds = plan.limited_seconds;
    let name = format!("`/authz`, one key of {RPM} a minute, {NODES} nodes, {seconds} s");
    let note = format!("{admitted}; {}", beside.per(run.requests));
    Ok(vec![Row { note, peak: Some(nodes.peak()?), ..Row::of(name, &[run]) }])
}
