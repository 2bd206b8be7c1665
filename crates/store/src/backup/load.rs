//! Putting a database back to what a backup says, in one transaction: whoever looks sees all of it or nothing.

use std::collections::BTreeSet;
use std::error::Error;

use keystile_core::KeyId;

use super::container::{Backup, Piece, TableStart};
use super::{RestoreRefused, tables};
use crate::chunked::{Chunked, places};
use crate::ends::{FORGET, Rewrite, end_again};
use crate::migrate::{self, Migration};
use crate::schema::{self, Schema};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Most rows that are sent together.
const ROWS_AT_ONCE: usize = 1024;
/// Most bytes that are sent together, but for the last row: few enough to be kept in memory, and sent in a moment.
const BYTES_AT_ONCE: usize = 4 * 1024 * 1024;

/// Sessions and tokens for passwords, of which some may have been ended since; whoever had one signs in again.
const END_SESSIONS: &str = "DELETE FROM refresh_tokens; DELETE FROM sessions; DELETE FROM password_resets";

/// What a database is put back to.
pub struct Restoration {
    /// What was backed up.
    pub backup: Backup,
    /// Whether what is in the database now may go.
    pub replace: bool,
    /// Whether the revocation journal is there, and goes on; else the database forgets which was told of it.
    pub keep_journal: bool,
    /// The keys of which it is known how they have ended since.
    pub keys: Vec<KeyId>,
    /// Ends them again.
    pub rewrite: Rewrite,
    /// Hears now and then how many rows were written.
    pub told: Box<dyn FnMut(u64) + Send>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// How many rows were written.
    pub rows: u64,
    /// How many keys were ended again.
    pub ended: u64,
    /// By which steps the schema was brought up to date.
    pub migrated: Vec<Migration>,
}

impl Store {
    /// Puts the database back to what a backup says, brings it to the schema of this program, and ends keys again that have ended since the
    /// backup was made, all in one transaction. Sessions end. Nobody may serve meanwhile; what others have opened of the database
    /// is of no use afterwards.
    ///
    /// # Errors
    /// When the database is unavailable or refuses what is in the backup. What is refused and what fails changes nothing.
    pub async fn restore(
        &self,
        restoration: Restoration,
    ) -> Result<Result<Restored, RestoreRefused>, StoreError> {
        self.write_quietly(restoration, |restoration, tx| Box::pin(restore(restoration, tx))).await
    }
}

async fn restore(
    restoration: &mut Restoration,
    tx: &mut Tx<'_>,
) -> Result<Result<Restored, RestoreRefused>, StoreError> {
    let Restoration { backup, replace, keep_journal, keys, rewrite, told } = restoration;
    let schema = backup.header().schema;
    if let Err(too_new) = Schema::of(schema).check_known() {
        return Ok(Err(too_new.into()));
    }
    tx.be_patient().await?;
    tx.lock_schema().await?;
    if let Err(refused) = make_room(*replace, schema, tx).await? {
        return Ok(Err(refused));
    }
    make_tables(schema, tx).await?;
    let rows = load(backup, told, tx).await?;
    let migrated = migrate::apply(tx).await?.map_err(|error| refused(&error))?;
    for table in tables::to_analyze(tx).await? {
        tx.analyze(table).await?;
    }
    tx.script(END_SESSIONS).await?;
    if !*keep_journal {
        tx.script(FORGET).await?;
    }
    let ended = end_again(keys, rewrite, tx).await?;
    Ok(Ok(Restored { rows, ended, migrated }))
}

/// Drops the tables of ours, if there is nothing in them or it may go; empties them instead where that is as good, as what others have granted on them
/// stays then.
async fn make_room(
    replace: bool,
    wanted: i64,
    tx: &mut Tx<'_>,
) -> Result<Result<(), RestoreRefused>, StoreError> {
    let schema = schema::read(tx).await?;
    if let Err(too_new) = schema.check_known() {
        return Ok(Err(too_new.into()));
    }
    if schema.version() == 0 {
        return Ok(Ok(()));
    }
    if !replace && is_used(tx).await? {
        return Ok(Err(RestoreRefused::NotEmpty));
    }
    let present = tables::to_drop(tx).await?;
    if schema.version() == wanted && tx.truncate(&present).await? {
        return Ok(Ok(()));
    }
    for table in present {
        tx.script(&format!("DROP TABLE {table}")).await?;
    }
    tx.script("DROP TABLE schema_migrations").await?;
    Ok(Ok(()))
}

/// Whether there is anybody, or anything that somebody has made.
async fn is_used(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    for sql in ["SELECT 1 AS one FROM tenants LIMIT 1", "SELECT 1 AS one FROM persons LIMIT 1"] {
        if tx.query_opt(sql, &[]).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tables as they were when the backup was made, without the rows that migrations put there.
async fn make_tables(schema: i64, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    migrate::apply_to(schema, tx).await?.map_err(|error| refused(&error))?;
    for table in tables::present(tx).await?.into_iter().rev() {
        tx.script(&format!("DELETE FROM {table}")).await?;
    }
    Ok(())
}

async fn load(
    backup: &mut Backup,
    told: &mut Box<dyn FnMut(u64) + Send>,
    tx: &mut Tx<'_>,
) -> Result<u64, StoreError> {
    backup.rewind().map_err(|error| refused(&error))?;
    let (mut rows, mut loading) = (0, None::<Loading>);
    loop {
        match backup.next_piece().map_err(|error| refused(&error))? {
            Piece::Table(start) => {
                flush(&mut loading, tx).await?;
                loading = Some(Loading::begin(start, tx).await?);
            }
            Piece::Row(values) => {
                let loading = loading.as_mut().ok_or_else(|| unfit("a row belongs to no table"))?;
                loading.add(values)?;
                rows += 1;
                if loading.is_full() {
                    loading.flush(tx).await?;
                    told(rows);
                }
            }
            Piece::End(end) => {
                flush(&mut loading, tx).await?;
                return if end.rows == rows { Ok(rows) } else { Err(unfit("it lacks rows")) };
            }
        }
    }
}

/// A table while its rows come.
struct Loading {
    insert: Chunked,
    width: usize,
    rows: Vec<Vec<Value>>,
    bytes: usize,
}

impl Loading {
    /// Only names that the schema has become a part of a statement.
    async fn begin(start: TableStart, tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let TableStart { table, columns } = start;
        let known = if tables::TABLES.contains(&table.as_str()) {
            tables::columns(&table, tx).await?
        } else {
            Vec::new()
        };
        let (told, known): (BTreeSet<_>, BTreeSet<_>) = (columns.iter().collect(), known.iter().collect());
        if told != known || told.len() != columns.len() || columns.is_empty() {
            return Err(unfit("it has a table or a column that its schema lacks, or lacks one"));
        }
        let (width, names) = (columns.len(), columns.join(", "));
        let insert =
            Chunked::new(|rows| format!("INSERT INTO {table} ({names}) VALUES {}", places(rows, width)));
        Ok(Self { insert, width, rows: Vec::new(), bytes: 0 })
    }

    fn add(&mut self, values: Vec<Value>) -> Result<(), StoreError> {
        if values.len() != self.width {
            return Err(unfit("a row has not as many values as its table has columns"));
        }
        self.bytes += values.iter().map(Value::size).sum::<usize>();
        self.rows.push(values);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    async fn flush(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        self.bytes = 0;
        self.insert.write(std::mem::take(&mut self.rows), tx).await.map(drop)
    }
}

async fn flush(loading: &mut Option<Loading>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match loading {
        Some(loading) => loading.flush(tx).await,
        None => Ok(()),
    }
}

/// What is wrong with the backup, as the store says it.
fn refused(error: &dyn Error) -> StoreError {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    StoreError::Refused(format!("{error}{cause}"))
}

fn unfit(what: &str) -> StoreError {
    StoreError::Refused(format!("the backup cannot be loaded: {what}"))
}
