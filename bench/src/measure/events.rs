//! Events: how many are taken in, and how long it takes to read among them.

use std::time::Instant;

use anyhow::{Result, ensure};
use http::StatusCode;

use super::say;
use crate::client::Client;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::Row;
use crate::world::{BATCH, CLIENTS, World};
use crate::wrk::Load;

/// How often each page is read.
const READS: usize = 300;

/// Batches by many clients, then pages one after the other.
pub(super) async fn rows(world: &World, engine: &str, plan: Plan) -> Result<Vec<Row>> {
    say(&format!("events, {engine}"));
    let server = world.serve(&[]).await?;
    let load = Load {
        request: world.events(&server).await?,
        keys: None,
        connections: CLIENTS,
        pause: 0,
        goes_first: false,
    };
    let runs = (0..plan.rounds).map(|_| load.run(&server, plan.seconds)).collect::<Result<Vec<_>>>()?;
    ensure!(runs.iter().all(|run| run.refused == 0.0), "some events were not kept");
    let row = Row::of(format!("durable events, {BATCH} at a time, {CLIENTS} clients, {engine}"), &runs);
    let events = row.per_second.unwrap_or_default() * BATCH as f64;
    let note = format!("{events:.0} events/s, {}", row.note);
    let mut rows = vec![Row { peak: Some(server.memory()?.1), note, ..row }];
    for (name, path) in [
        ("list", "events"),
        ("list of an entity", "events?entity=order/7"),
        ("list of a source that nobody is", "events?source_id=nobody"),
        ("entity", "entities/order/7"),
    ] {
        let latencies = read(world, &server, path).await?;
        rows.push(Row::of_latencies(format!("events, {name}, one at a time, {engine}"), latencies));
    }
    Ok(rows)
}

/// Latencies in microseconds.
async fn read(world: &World, server: &Server, path: &str) -> Result<Vec<f64>> {
    let mut client = Client::connect(server.address()).await?;
    let path = format!("/api/v1/tenants/{}/{path}", world.tenant_id());
    let mut latencies = Vec::with_capacity(READS);
    for _ in 0..READS {
        let begun = Instant::now();
        let answer = client.get(&path, &world.bearer()).await?;
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        ensure!(answer.status == StatusCode::OK, "answered with {}", answer.status);
    }
    Ok(latencies)
}
