//! The two engines behind one face.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use crate::tx::Work;
use crate::{Location, OpenError, StoreError};

/// Where the rows are.
pub(crate) enum Engine {
    Sqlite(sqlite::Engine),
    Postgres(postgres::Engine),
}

impl Engine {
    pub(crate) async fn open(location: &Location) -> Result<Self, OpenError> {
        match location {
            Location::Sqlite(path) => sqlite::Engine::open(path).await.map(Self::Sqlite),
            Location::Postgres { url, max_connections } => {
                postgres::Engine::open(url, *max_connections).await.map(Self::Postgres)
            }
        }
    }

    /// Runs `work` as one durable transaction.
    pub(crate) async fn write<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        match self {
            Self::Sqlite(engine) => engine.write(args, work).await,
            Self::Postgres(engine) => engine.write(args, work).await,
        }
    }

    /// Runs `work`, which only reads, and with one statement per answer: each statement sees what was
    /// committed before it began.
    pub(crate) async fn read<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        match self {
            Self::Sqlite(engine) => engine.read(args, work).await,
            Self::Postgres(engine) => engine.read(args, work).await,
        }
    }

    /// The same, but on PostgreSQL all statements see the moment of the first. On SQLite, each sees its own.
    pub(crate) async fn read_at_once<A, R>(&self, args: A, work: Work<A, R>) -> Result<R, StoreError>
    where
        A: Send + 'static,
        R: Send + 'static,
    {
        match self {
            Self::Sqlite(engine) => engine.read(args, work).await,
            Self::Postgres(engine) => engine.read_at_once(args, work).await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(engine) => engine.close().await,
            Self::Postgres(engine) => engine.close(),
        }
    }
}
