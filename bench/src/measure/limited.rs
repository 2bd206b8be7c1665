//! One key that many clients ask for far more often than its limit allows.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::say;
use crate::client::Client;
use crate::plan::Plan;
use crate::table::Row;
use crate::world::{World, with_keys};
use crate::wrk::Order;

/// Requests a minute, and at once.
const RPM: u32 = 1_000;

/// How many are admitted, beside how many may be.
pub(super) async fn rows(world: &World, plan: Plan) -> Result<Vec<Row>> {
    say("one key beyond its limit");
    let server = world.serve(&[]).await?;
    let mut client = Client::connect(server.address()).await?;
    let draft = json!({ "name": "Limited", "environment": "production", "scopes": ["orders:read"], "rpm_limit": RPM });
    let made = client.post(&world.keys_path(), &world.bearer(), &draft).await?;
    let file = world.file("limited.key");
    std::fs::write(&file, made.text("/secret")? + "\n")?;
    let load = with_keys(&world.authz()?, file, Order::SequenceAfter(0));
    let begun = Instant::now();
    let run = load.run(&server, plan.limited_seconds)?;
    // A little longer than requests were made, so that the bound is never too narrow by more than that.
    let most = f64::from(RPM) * (1.0 + begun.elapsed().as_secs_f64() / 60.0);
    let least = f64::from(RPM) * (1.0 + run.requests / run.per_second / 60.0);
    let admitted = (run.requests * (1.0 - run.refused)).round();
    ensure!(admitted <= most, "{admitted} requests were admitted, of {most:.1} that may be");
    let share = admitted / least;
    ensure!(share >= 0.99, "{admitted} requests were admitted, of {least:.1} that may be");
    let seconds = plan.limited_seconds;
    let name = format!("`/authz`, one key of {RPM} a minute, 64 clients, {seconds} s");
    let note = format!("{admitted} admitted of at most {least:.1} ({:.2} %)", share * 100.0);
    Ok(vec![Row { note, ..Row::of(name, &[run]) }])
}
