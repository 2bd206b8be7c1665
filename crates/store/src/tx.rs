//! The transaction a statement runs in, whichever the engine.

use std::pin::Pin;

use crate::StoreError;
use crate::engine::{postgres, sqlite};
use crate::row::Row;
use crate::value::Value;

/// A future that can move between threads and borrows what it works on.
pub(crate) type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// The body of a transaction, over arguments that survive it: PostgreSQL may ask for a second attempt.
pub(crate) type Work<A, R> = for<'t> fn(&'t mut A, &'t mut Tx<'_>) -> BoxFuture<'t, Result<R, StoreError>>;

/// One statement of a batch: its SQL and its values.
pub(crate) type Statement<'s> = (&'s str, &'s [Value]);

/// Takes one row.
pub(crate) type TakeRow<'r> = dyn FnMut(Vec<Value>) -> Result<(), StoreError> + Send + 'r;

/// An open transaction. On SQLite its futures are ready at once.
pub(crate) enum Tx<'a> {
    Sqlite(&'a mut rusqlite::Connection),
    Postgres(&'a deadpool_postgres::ClientWrapper),
}

impl Tx<'_> {
    /// Runs a statement and says how many rows it touched.
    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
        Value::check(values)?;
        match self {
            Self::Sqlite(connection) => sqlite::execute(connection, sql, values),
            Self::Postgres(client) => postgres::execute(client, sql, values).await,
        }
    }

    /// Runs a statement and gives all its rows.
    pub(crate) async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
        Value::check(values)?;
        match self {
            Self::Sqlite(connection) => sqlite::query(connection, sql, values),
            Self::Postgres(client) => postgres::query(client, sql, values).await,
        }
    }

    /// Runs a statement without values and hands its rows on, one by one, however many there are. `cursor` names it among those of the
    /// transaction.
    pub(crate) async fn each(
        &mut self,
        cursor: &str,
        sql: &str,
        take: &mut TakeRow<'_>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::each(connection, sql, take),
            Self::Postgres(client) => postgres::each(client, cursor, sql, take).await,
        }
    }

    /// Runs a statement and gives its first row.
    pub(crate) async fn query_opt(&mut self, sql: &str, values: &[Value]) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, values).await?.into_iter().next())
    }

    /// Runs statements in order, sent together where the engine is far away. The first error counts; the
    /// rows of each statement are given in order.
    pub(crate) async fn pipeline(&mut self, batch: &[Statement<'_>]) -> Result<Vec<Vec<Row>>, StoreError> {
        check_all(batch)?;
        match self {
            Self::Sqlite(connection) => sqlite::query_all(connection, batch),
            Self::Postgres(client) => {
                postgres::prepare_all(client, batch).await?;
                let all = batch.iter().map(|(sql, values)| postgres::query(client, sql, values));
                // All are waited for: what follows an error fails, too, and may be seen to do so first.
                futures_util::future::join_all(all).await.into_iter().collect()
            }
        }
    }

    /// The same for statements that give no rows: says of each how many it touched.
    pub(crate) async fn execute_all(&mut self, batch: &[Statement<'_>]) -> Result<Vec<u64>, StoreError> {
        check_all(batch)?;
        match self {
            Self::Sqlite(connection) => sqlite::execute_all(connection, batch),
            Self::Postgres(client) => {
                postgres::prepare_all(client, batch).await?;
                let all = batch.iter().map(|(sql, values)| postgres::execute(client, sql, values));
                futures_util::future::join_all(all).await.into_iter().collect()
            }
        }
    }

    /// Whether many rows are best written by one statement. SQLite is a call away, and keeps a copy of each page that a statement for several
    /// rows changes, in a file beside if they are many, as it might have to undo half of it.
    pub(crate) const fn prefers_many_rows(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(_) => true,
        }
    }

    /// Runs a text of several statements without values, such as a migration.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(connection) => sqlite::script(connection, sql),
            Self::Postgres(client) => postgres::script(client, sql).await,
        }
    }

    /// The same for what SQLite has no need of, such as triggers that tell other processes.
    pub(crate) async fn script_of_postgres(&mut self, sql: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => postgres::script(client, sql).await,
        }
    }

    /// Lets the transaction last as long as it takes, also while nothing is asked of the database.
    pub(crate) async fn be_patient(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => postgres::be_patient(client).await,
        }
    }

    /// Empties tables, if the engine can empty them as fast as it can drop them; tells whether it has.
    pub(crate) async fn truncate(&mut self, tables: &[&str]) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(_) if tables.is_empty() => Ok(false),
            Self::Postgres(client) => {
                postgres::script(client, &format!("TRUNCATE {}", tables.join(", "))).await?;
                Ok(true)
            }
        }
    }

    /// Has the engine look at the rows of a table, by which it plans from now on, if it does so at all.
    pub(crate) async fn analyze(&mut self, table: &str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => postgres::script(client, &format!("ANALYZE {table}")).await,
        }
    }

    /// Keeps every other process from migrating until the transaction ends.
    pub(crate) async fn lock_schema(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => postgres::lock_schema(client).await,
        }
    }

    /// Whether no server serves from the database, and none will before the transaction ends. On SQLite whoever has the file knows that.
    pub(crate) async fn serves_nobody(&mut self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(true),
            Self::Postgres(client) => postgres::serves_nobody(client).await,
        }
    }

    /// Whether only nodes serve from the database, and nobody will alone before the transaction ends.
    pub(crate) async fn serves_only_nodes(&mut self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(false),
            Self::Postgres(client) => postgres::serves_only_nodes(client).await,
        }
    }

    /// From now on the transaction waits no longer for the locks of others than these can wait behind it.
    pub(crate) async fn be_brief(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(client) => postgres::be_brief(client).await,
        }
    }
}

fn check_all(batch: &[Statement<'_>]) -> Result<(), StoreError> {
    batch.iter().try_for_each(|(_, values)| Value::check(values))
}
