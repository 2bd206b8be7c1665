//! Events: how many are taken in, and how long it takes to read among them.

use std::time::Instant;

use anyhow::{Result, ensure};
use http::StatusCode;

use super::say;
use crate::client::Client;
use crate::inserts::{self, Inserted};
use crate::plan::Plan;
use crate::server::Server;
use crate::table::{Row, median};
use crate::world::{BATCH, CLIENTS, World};
use crate::wrk::Load;

/// How often each page is read.
const READS: usize = 300;

/// Batches by many clients, then pages one after the other.
pub(super) async fn rows(world: &World, engine: &str, plan: Plan) -> Result<Vec<Row>> {
    say(&format!("events, {engine}"));
    let server = world.serve(&[]).await?;
    let load = Load::of(world.events(&server).await?);
    let (mut runs, mut loops) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        runs.push(load.run(&server, plan.seconds)?);
        if let Some(file) = world.data_file() {
            loops.push(inserts::run(&file).await?);
        }
    }
    ensure!(runs.iter().all(|run| run.refused == 0.0), "some events were not kept");
    let row = Row::of(format!("durable events, {BATCH} at a time, {CLIENTS} clients, {engine}"), &runs);
    let kept =
        Row { peak: Some(server.memory()?.1), note: format!("{}, {}", per_second(&row), row.note), ..row };
    let mut rows = if loops.is_empty() { vec![kept] } else { beside_loop(kept, &loops, engine) };
    let mut stored: f64 = runs.iter().map(|run| run.requests * BATCH as f64).sum();
    while stored < plan.events as f64 {
        stored += load.run(&server, plan.seconds)?.requests * BATCH as f64;
    }
    say(&format!("{stored:.0} events are read"));
    for (name, path) in [
        ("overview", "overview"),
        ("list", "events"),
        ("list of an entity", "events?entity=order/7"),
        ("list of a source that nobody is", "events?source_id=nobody"),
        ("entity", "entities/order/7"),
    ] {
        let latencies = read(world, &server, path).await?;
        let row = Row::of_latencies(format!("events, {name}, one at a time, {engine}"), latencies);
        rows.push(Row { note: format!("{:.1} million events", stored / 1e6), ..row });
    }
    Ok(rows)
}

/// The row with its ratios to the loop, and the loop's own.
fn beside_loop(kept: Row, loops: &[Inserted], engine: &str) -> Vec<Row> {
    let of = |figure: fn(&Inserted) -> f64| Some(median(loops.iter().map(figure)));
    let inserted = Row {
        name: format!("the same rows by a loop of prepared inserts, without a server, {engine}"),
        per_second: of(|run| run.per_second),
        user: of(|run| run.user),
        system: of(|run| run.system),
        ..Row::default()
    };
    let both = |row: &Row| Some(row.user? + row.system?);
    let over = |one: Option<f64>, other: Option<f64>| Some(one? / other?);
    let ratio = over(kept.per_second, inserted.per_second);
    let ratio_by_cpu = over(both(&inserted), both(&kept));
    let note = per_second(&inserted);
    vec![Row { ratio, ratio_by_cpu, ..kept }, Row { note, ..inserted }]
}

fn per_second(row: &Row) -> String {
    format!("{:.0} events/s", row.per_second.unwrap_or_default() * BATCH as f64)
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
