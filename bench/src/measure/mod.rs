//! One file per question; here is their order.

mod beside;
mod cluster;
mod cold;
mod console;
mod control;
mod events;
mod gateway;
mod hot;
mod in_process;
mod limited;
mod start;

use anyhow::Result;
use keystile_testkit::postgres::{Durability, Postgres};

use crate::ground::Ground;
use crate::plan::Plan;
use crate::table::{Row, Table};

/// A question that rows answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Hot,
    Cold,
    Start,
    Console,
    Control,
    Events,
    Beside,
    Limited,
    Gateway,
    Cluster,
    InProcess,
}

impl Part {
    /// In the order in which they are measured; what is first leaves the store as it was filled.
    pub(crate) const ALL: [Self; 11] = [
        Self::Hot,
        Self::Cold,
        Self::Start,
        Self::Console,
        Self::Control,
        Self::Events,
        Self::Beside,
        Self::Limited,
        Self::Gateway,
        Self::Cluster,
        Self::InProcess,
    ];

    /// What it is called on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
            Self::Start => "start",
            Self::Console => "console",
            Self::Control => "control",
            Self::Events => "events",
            Self::Beside => "beside",
            Self::Limited => "limited",
            Self::Gateway => "gateway",
            Self::Cluster => "cluster",
            Self::InProcess => "in-process",
        }
    }

    /// Whether it is asked of PostgreSQL as well.
    const fn is_of_each_engine(self) -> bool {
        matches!(self, Self::Cold | Self::Console | Self::Control | Self::Events)
    }

    /// Whether it is asked when there are ten million keys.
    const fn is_about_size(self) -> bool {
        !matches!(self, Self::Beside | Self::Limited | Self::Gateway | Self::Cluster | Self::InProcess)
    }

    async fn rows(self, ground: &Ground, plan: Plan) -> Result<Vec<Row>> {
        let (engine, stored) = (ground.engine, ground.stored());
        match self {
            Self::Hot => hot::rows(ground.world().await?, plan).await,
            Self::Cold => cold::rows(ground.world().await?, engine, plan).await,
            Self::Start => start::rows(ground.world().await?, stored, plan).await,
            Self::Console => console::rows(ground.world().await?, engine, stored).await,
            Self::Control => control::rows(ground.world().await?, engine, plan).await,
            Self::Events => events::rows(ground.world().await?, engine, plan).await,
            Self::Beside => beside::rows(ground.world().await?, plan).await,
            Self::Limited => limited::rows(ground.world().await?, plan).await,
            Self::Gateway => gateway::rows(ground.world().await?, plan).await,
            Self::Cluster => cluster::rows(plan).await,
            Self::InProcess => in_process::rows(plan),
        }
    }
}

/// The rows of `parts`, on SQLite and then on PostgreSQL, where each is measured.
pub(crate) async fn everything(plan: Plan, parts: &[Part], table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let is_huge = plan.further_keys > 0;
    let wanted = || Part::ALL.into_iter().filter(|part| parts.contains(part));
    let sqlite = Ground::sqlite(folder.path().join("sqlite"), plan.keys, plan.further_keys);
    for part in wanted().filter(|part| !is_huge || part.is_about_size()) {
        table.add(&part.rows(&sqlite, plan).await?);
    }
    if is_huge || !wanted().any(Part::is_of_each_engine) {
        return Ok(());
    }
    let server = match Postgres::start(Durability::On) {
        Ok(server) => server,
        Err(failure) => {
            say(&format!("no rows for PostgreSQL: {failure}"));
            return Ok(());
        }
    };
    let postgres = Ground::postgres(folder.path().join("postgres"), server, plan.postgres_keys);
    for part in wanted().filter(|part| part.is_of_each_engine()) {
        table.add(&part.rows(&postgres, plan).await?);
    }
    Ok(())
}

/// Tells what happens now, apart from the table.
pub(crate) fn say(what: &str) {
    eprintln!("bench: {what}");
}
