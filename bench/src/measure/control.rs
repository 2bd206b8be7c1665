//! Changes: durable creation, and how soon a revoked key is refused.

use std::time::Instant;

use anyhow::{Result, ensure};
use http::StatusCode;
use serde_json::json;

use super::say;
use crate::client::Client;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::Row;
use crate::world::{CLIENTS, World};
use crate::wrk::Load;

/// Creations by many clients, then creations and revocations one after the other.
pub(super) async fn rows(world: &World, engine: &str, plan: Plan) -> Result<Vec<Row>> {
    say(&format!("creation and revocation, {engine}"));
    let server = world.serve(&[]).await?;
    let load = Load::of(world.create()?);
    let runs = (0..plan.rounds).map(|_| load.run(&server, plan.seconds)).collect::<Result<Vec<_>>>()?;
    ensure!(runs.iter().all(|run| run.refused == 0.0), "some keys were not created");
    let created = Row::of(format!("durable creation, {CLIENTS} clients, {engine}"), &runs);
    let (creations, revocations) = revoke(world, &server, plan.revocations).await?;
    let name = |what: &str| format!("{what}, one at a time, {engine}");
    Ok(vec![
        Row { peak: Some(server.memory()?.1), ..created },
        Row::of_latencies(name("durable creation"), creations),
        Row {
            note: format!("{} revoked, none accepted afterwards", plan.revocations),
            ..Row::of_latencies(name("revoke"), revocations)
        },
    ])
}

/// Latencies in microseconds. Each key works until it is revoked, and not once after the answer.
async fn revoke(world: &World, server: &Server, count: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut client = Client::connect(server.address()).await?;
    let mut gateway = Client::connect(server.address()).await?;
    let (bearer, path, authz) = (world.bearer(), world.keys_path(), world.authz_path());
    let draft = json!({ "name": "Short-lived", "environment": "production", "scopes": ["orders:read"] });
    let (mut creations, mut revocations) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let begun = Instant::now();
        let made = client.post(&path, &bearer, &draft).await?;
        creations.push(micros(begun));
        let key = format!("ApiKey {}", made.text("/secret")?);
        let used = gateway.get(&authz, &key).await?;
        ensure!(used.status == StatusCode::OK, "a new key is refused");
        let revoke = format!("{path}/{}/revoke", made.text("/id")?);
        let begun = Instant::now();
        client.post(&revoke, &bearer, &json!({})).await?.json()?;
        revocations.push(micros(begun));
        let used = gateway.get(&authz, &key).await?;
        ensure!(used.status == StatusCode::UNAUTHORIZED, "a revoked key was accepted");
    }
    Ok((creations, revocations))
}

fn micros(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e6
}
