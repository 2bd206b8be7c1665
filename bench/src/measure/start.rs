//! How long a start takes, and what an idle server weighs.

use anyhow::Result;

use super::say;
use crate::plan::Plan;
use crate::table::Row;
use crate::world::World;

/// From starting the process to its first answer, and its memory then.
pub(super) async fn rows(world: &World, stored: usize, plan: Plan) -> Result<Vec<Row>> {
    say("starting");
    let (mut starts, mut idle) = (Vec::new(), 0.0_f64);
    for _ in 0..plan.rounds {
        let server = world.serve(&[]).await?;
        starts.push(server.started_in().as_secs_f64() * 1e6);
        idle = idle.max(server.memory()?.0);
    }
    let name = format!("start with {stored} keys in SQLite");
    Ok(vec![Row { note: format!("{idle:.1} MiB when idle"), ..Row::of_latencies(name, starts) }])
}
