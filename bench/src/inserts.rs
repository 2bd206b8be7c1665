//! A loop of prepared inserts without a server, on the server's core: what there is to reach for whoever writes events.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use keystile_store::{Location, Store};

use crate::server::on_core_of_server;
use crate::world::{BATCH, DATABASE};

/// Events of one transaction, as many as a server takes together (`crates/engine/src/ingest.rs`).
const TOGETHER: usize = 3_000;
/// Most events that are written: a second or so.
const MOST: usize = 150_000;

/// What the loop did, for each [`BATCH`] of events as for each request with so many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inserted {
    pub(crate) per_second: f64,
    /// Processor time in microseconds.
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Writes the newest events of a data file, and what is known of their entities, into the same tables of another file.
pub(crate) async fn run(file: &Path) -> Result<Inserted> {
    let folder = tempfile::tempdir_in(file.parent().context("a file without a folder")?)?;
    let into = folder.path().join(DATABASE);
    let store = Store::open(Location::Sqlite(into.clone())).await?;
    store.migrate().await?;
    store.close().await;
    let mut command = on_core_of_server("raw_inserts")?;
    let output =
        command.arg(file).arg(&into).args([TOGETHER, MOST].map(|count| count.to_string())).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "the loop failed: {}", String::from_utf8_lossy(&output.stderr));
    let numbers: Vec<f64> = said.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [events, seconds, user, system] = numbers.as_slice() else { anyhow::bail!("the loop said {said:?}") };
    let batches = events / BATCH as f64;
    let micros = |seconds: &f64| seconds / batches * 1e6;
    Ok(Inserted { per_second: batches / seconds, user: micros(user), system: micros(system) })
}
