//! Keys that are not in memory: a server that keeps one key only has to read nearly every one.

use anyhow::Result;

use super::say;
use crate::plan::Plan;
use crate::table::Row;
use crate::world::{CLIENTS, World, with_keys};
use crate::wrk::{Load, Order};

/// One client, then many, whose misses are gathered.
pub(super) async fn rows(world: &World, engine: &str, plan: Plan) -> Result<Vec<Row>> {
    say(&format!("cold keys, {engine}"));
    let server = world.serve(&["--cache-keys", "1"]).await?;
    let mut rows = Vec::new();
    for connections in [1, CLIENTS] {
        let load = with_keys(&world.authz()?, world.file("stored.keys"), Order::Random);
        let load = Load { connections, ..load };
        let runs = (0..plan.rounds).map(|_| load.run(&server, plan.seconds)).collect::<Result<Vec<_>>>()?;
        let clients =
            if connections == 1 { "one at a time".to_owned() } else { format!("{connections} clients") };
        let peak = Some(server.memory()?.1);
        rows.push(Row { peak, ..Row::of(format!("`/authz`, cold keys, {clients}, {engine}"), &runs) });
    }
    Ok(rows)
}
