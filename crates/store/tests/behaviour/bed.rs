//! Where a case runs: a fresh database on one of the engines.

use std::pin::Pin;

use keystile_store::{Location, Store};
use keystile_testkit::postgres::{Database, Postgres};
use tempfile::TempDir;

enum Place {
    Sqlite(TempDir),
    Postgres(Database<'static>),
}

pub(crate) struct Bed {
    place: Place,
}

impl Bed {
    pub(crate) fn sqlite() -> Self {
        Self { place: Place::Sqlite(tempfile::tempdir().unwrap()) }
    }

    pub(crate) fn postgres() -> Self {
        Self { place: Place::Postgres(Postgres::shared().database()) }
    }

    pub(crate) fn location(&self) -> Location {
        match &self.place {
            Place::Sqlite(folder) => Location::Sqlite(folder.path().join("data/keystile.db")),
            Place::Postgres(database) => Location::Postgres { url: database.url(), max_connections: 4 },
        }
    }

    /// Opens the database as it is.
    pub(crate) async fn open(&self) -> Store {
        Store::open(self.location()).await.unwrap()
    }

    /// Opens the database with the present schema.
    pub(crate) async fn store(&self) -> Store {
        let store = self.open().await;
        store.migrate().await.unwrap();
        store
    }

    /// Runs SQL that the store itself never would, while no store is open.
    pub(crate) fn run_sql(&self, sql: &str) {
        match (&self.place, self.location()) {
            (Place::Postgres(database), _) => database.run(sql).unwrap(),
            (Place::Sqlite(_), Location::Sqlite(path)) => {
                rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
            }
            (Place::Sqlite(_), Location::Postgres { .. }) => unreachable!(),
        }
    }

    pub(crate) fn run<F>(&self, case: F)
    where
        F: for<'b> FnOnce(&'b Bed) -> Pin<Box<dyn Future<Output = ()> + 'b>>,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(case(self));
    }
}
