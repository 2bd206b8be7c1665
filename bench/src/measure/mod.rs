//! One file per question; here is their order.

mod beside;
mod cold;
mod console;
mod control;
mod events;
mod hot;
mod in_process;
mod limited;
mod start;

use anyhow::{Result, anyhow};
use keystile_testkit::postgres::{Durability, Postgres};

use crate::crowd;
use crate::plan::Plan;
use crate::table::Row;
use crate::world::{DATABASE, World};

/// Every row there is. What is asked for first leaves the store as it was filled.
pub(crate) async fn everything(plan: Plan) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    say(&format!("filling SQLite with {} keys", plan.stored()));
    let sqlite = World::make(folder.path().join("sqlite"), None, plan.keys).await?;
    if plan.further_keys > 0 {
        crowd::add(&sqlite.file(DATABASE), plan.further_keys)?;
    }
    let mut rows = hot::rows(&sqlite, plan).await?;
    rows.extend(cold::rows(&sqlite, "SQLite", plan).await?);
    rows.extend(start::rows(&sqlite, plan).await?);
    rows.extend(console::rows(&sqlite, "SQLite", plan.stored()).await?);
    rows.extend(control::rows(&sqlite, "SQLite", plan).await?);
    rows.extend(events::rows(&sqlite, "SQLite", plan).await?);
    if plan.further_keys > 0 {
        return Ok(rows);
    }
    rows.extend(beside::rows(&sqlite, plan).await?);
    rows.extend(limited::rows(&sqlite, plan).await?);
    match Postgres::start(Durability::On).map_err(|failure| anyhow!(failure)) {
        Ok(server) => {
            say(&format!("filling PostgreSQL with {} keys", plan.postgres_keys));
            let data = folder.path().join("postgres");
            let postgres = World::make(data, Some(server.url()), plan.postgres_keys).await?;
            rows.extend(cold::rows(&postgres, "PostgreSQL", plan).await?);
            rows.extend(console::rows(&postgres, "PostgreSQL", plan.postgres_keys).await?);
            rows.extend(control::rows(&postgres, "PostgreSQL", plan).await?);
            rows.extend(events::rows(&postgres, "PostgreSQL", plan).await?);
        }
        Err(failure) => say(&format!("no rows for PostgreSQL: {failure:#}")),
    }
    rows.extend(in_process::rows(plan)?);
    Ok(rows)
}

/// Tells what happens now, apart from the table.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
