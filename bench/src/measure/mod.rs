//! One file per question; here is their order.

mod beside;
mod cold;
mod console;
mod control;
mod events;
mod gateway;
mod hot;
mod in_process;
mod limited;
mod start;

use anyhow::{Result, anyhow};
use keystile_testkit::postgres::{Durability, Postgres};

use crate::crowd;
use crate::plan::Plan;
use crate::table::Table;
use crate::world::{DATABASE, World};

/// Every row there is. What is asked for first leaves the store as it was filled.
pub(crate) async fn everything(plan: Plan, table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    say(&format!("filling SQLite with {} keys", plan.stored()));
    let sqlite = World::make(folder.path().join("sqlite"), None, plan.keys).await?;
    if plan.further_keys > 0 {
        crowd::add(&sqlite.file(DATABASE), plan.further_keys)?;
    }
    table.add(&hot::rows(&sqlite, plan).await?);
    table.add(&cold::rows(&sqlite, "SQLite", plan).await?);
    table.add(&start::rows(&sqlite, plan).await?);
    table.add(&console::rows(&sqlite, "SQLite", plan.stored()).await?);
    table.add(&control::rows(&sqlite, "SQLite", plan).await?);
    table.add(&events::rows(&sqlite, "SQLite", plan).await?);
    if plan.further_keys > 0 {
        return Ok(());
    }
    table.add(&beside::rows(&sqlite, plan).await?);
    table.add(&limited::rows(&sqlite, plan).await?);
    table.add(&gateway::rows(&sqlite, plan).await?);
    match Postgres::start(Durability::On).map_err(|failure| anyhow!(failure)) {
        Ok(server) => {
            say(&format!("filling PostgreSQL with {} keys", plan.postgres_keys));
            let data = folder.path().join("postgres");
            let postgres = World::make(data, Some(server.url()), plan.postgres_keys).await?;
            table.add(&cold::rows(&postgres, "PostgreSQL", plan).await?);
            table.add(&console::rows(&postgres, "PostgreSQL", plan.postgres_keys).await?);
            table.add(&control::rows(&postgres, "PostgreSQL", plan).await?);
            table.add(&events::rows(&postgres, "PostgreSQL", plan).await?);
        }
        Err(failure) => say(&format!("no rows for PostgreSQL: {failure:#}")),
    }
    table.add(&in_process::rows(plan)?);
    Ok(())
}

/// Tells what happens now, apart from the table.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
