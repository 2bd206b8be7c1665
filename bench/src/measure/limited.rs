//! One key that many clients ask for far more often than its limit allows.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;

use super::say;
use crate::plan::Plan;
use crate::server::Server;
use crate::table::Row;
use crate::world::{World, with_keys};
use crate::wrk::{Load, Order, Run};

/// Requests a minute, and at once.
pub(super) const RPM: u32 = 1_000;
/// The part of what may be admitted that one server has to admit.
const LEAST: f64 = 0.99;

/// How many are admitted, beside how many may be.
pub(super) async fn rows(world: &World, plan: Plan) -> Result<Vec<Row>> {
    say("one key beyond its limit");
    let server = world.serve(&[]).await?;
    let load = load(world, &server).await?;
    let begun = Instant::now();
    let run = load.run(&server, plan.limited_seconds)?;
    let admitted = Admitted::of(&run, begun.elapsed(), LEAST)?;
    let seconds = plan.limited_seconds;
    let name = format!("`/authz`, one key of {RPM} a minute, 64 clients, {seconds} s");
    Ok(vec![Row { note: admitted.to_string(), ..Row::of(name, &[run]) }])
}

/// Asks about a new key, as fast as answers come.
pub(super) async fn load(world: &World, server: &Server) -> Result<Load> {
    let draft = json!({ "name": "Limited", "environment": "production", "scopes": ["orders:read"], "rpm_limit": RPM });
    let file = world.file("limited.key");
    std::fs::write(&file, world.issue(server, &draft).await? + "\n")?;
    Ok(with_keys(&world.authz()?, file, Order::SequenceAfter(0)))
}

/// Requests that were admitted, beside how many may be.
pub(super) struct Admitted {
    count: f64,
    may_be: f64,
}

impl Admitted {
    /// Of a run about a new key that was over `elapsed` after it began.
    ///
    /// # Errors
    /// When more were admitted than may be, or less than the part `least` of that.
    pub(super) fn of(run: &Run, elapsed: Duration, least: f64) -> Result<Self> {
        let bound = |seconds: f64| f64::from(RPM) * (1.0 + seconds / 60.0);
        // A little longer than requests were made, so that the bound is never too narrow by more than that.
        let most = bound(elapsed.as_secs_f64());
        let may_be = bound(run.requests / run.per_second);
        let count = (run.requests * (1.0 - run.refused)).round();
        ensure!(count <= most, "{count} requests were admitted, of {most:.1} that may be");
        ensure!(count >= least * may_be, "{count} requests were admitted, of {may_be:.1} that may be");
        Ok(Self { count, may_be })
    }
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, may_be } = self;
        write!(f, "{count} admitted of at most {may_be:.1} ({:.2} %)", count / may_be * 100.0)
    }
}
