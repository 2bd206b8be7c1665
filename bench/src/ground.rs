//! Where parts are measured: an installation that is filled when the first part needs it.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use keystile_testkit::postgres::Postgres;
use tokio::sync::OnceCell;

use crate::crowd;
use crate::keys::two_limits;
use crate::measure::say;
use crate::world::{DATABASE, World};

/// A world to be, on one engine.
pub(crate) struct Ground {
    /// What the engine is called in rows.
    pub(crate) engine: &'static str,
    folder: PathBuf,
    server: Option<Postgres>,
    /// Keys that are asked for.
    keys: usize,
    /// Keys beside them.
    further_keys: usize,
    world: OnceCell<World>,
}

impl Ground {
    /// In a SQLite file in `folder`.
    pub(crate) fn sqlite(folder: PathBuf, keys: usize, further_keys: usize) -> Self {
        Self { engine: "SQLite", folder, server: None, keys, further_keys, world: OnceCell::new() }
    }

    /// On a PostgreSQL of its own.
    pub(crate) fn postgres(folder: PathBuf, server: Postgres, keys: usize) -> Self {
        let server = Some(server);
        Self { engine: "PostgreSQL", folder, server, keys, further_keys: 0, world: OnceCell::new() }
    }

    /// All keys that are in the store.
    pub(crate) const fn stored(&self) -> usize {
        self.keys + self.further_keys
    }

    /// The installation; the first who asks waits until it is filled.
    pub(crate) async fn world(&self) -> Result<&World> {
        self.world.get_or_try_init(|| self.fill()).await
    }

    async fn fill(&self) -> Result<World> {
        say(&format!("filling {} with {} keys", self.engine, self.stored()));
        let url = self.server.as_ref().map(Postgres::url);
        let world = World::make(self.folder.clone(), url, self.keys, two_limits()).await?;
        if self.further_keys > 0 {
            crowd::add(&world.file(DATABASE), self.further_keys)?;
        }
        if let Some(server) = &self.server {
            // What a server does by itself in the minutes after so many rows have come.
            server.run("VACUUM ANALYZE").map_err(|failure| anyhow!(failure))?;
        }
        Ok(world)
    }
}
