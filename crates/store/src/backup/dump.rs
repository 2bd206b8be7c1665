//! Writing down a database as it is at one moment, beside whoever serves from it.

use std::io::Write;

use keystile_core::Timestamp;

use super::container::{End, TableStart, Writer};
use super::{Backed, BackupError, BackupHeader, EngineName, tables};
use crate::engine::{postgres, sqlite};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Location, OpenError, StoreError, schema};

/// How many rows are written between two tellings.
const TOLD_EVERY: u64 = 10_000;

/// Writes all rows of a database to `to`, as they are at one moment. A server that serves from it goes on meanwhile, and no more than a few
/// rows are in memory at a time. `told` hears now and then how many rows were written. What is in the files of keys is not
/// in it: neither the key that signs nor the one that encrypts.
///
/// # Errors
/// When the database cannot be read, has no schema or one of a later version, or the backup cannot be written.
pub async fn back_up(
    location: &Location,
    now: Timestamp,
    to: &mut (dyn Write + Send),
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Backed, BackupError> {
    match location {
        Location::Sqlite(path) => {
            let mut connection = sqlite::open_beside(path)?;
            sqlite::script(&connection, "BEGIN").map_err(OpenError::Store)?;
            write(EngineName::Sqlite, now, &mut Tx::Sqlite(&mut connection), to, told).await
        }
        Location::Postgres { url, .. } => {
            let snapshot = postgres::Snapshot::take(url).await?;
            write(EngineName::Postgres, now, &mut Tx::Postgres(snapshot.client()), to, told).await
        }
    }
}

async fn write(
    engine: EngineName,
    now: Timestamp,
    tx: &mut Tx<'_>,
    to: &mut (dyn Write + Send),
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Backed, BackupError> {
    let schema = schema::read(tx).await.map_err(OpenError::Store)?;
    schema.check_known()?;
    if schema.version() == 0 {
        return Err(BackupError::Empty);
    }
    let header = BackupHeader { engine, schema: schema.version(), created_at: now };
    let mut writer = Writer::begin(to, &header).map_err(BackupError::Write)?;
    let mut rows = 0;
    for table in tables::present(tx).await.map_err(OpenError::Store)? {
        write_table(table, &mut rows, &mut writer, tx, told).await?;
    }
    let (digest, bytes) = writer.finish(&End { rows }).map_err(BackupError::Write)?;
    Ok(Backed { header, rows, bytes, digest })
}

async fn write_table(
    table: &str,
    rows: &mut u64,
    writer: &mut Writer<'_>,
    tx: &mut Tx<'_>,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), BackupError> {
    let columns = tables::columns(table, tx).await.map_err(OpenError::Store)?;
    let sql = format!("SELECT {} FROM {table}", columns.join(", "));
    writer.table(&TableStart { table: table.to_owned(), columns }).map_err(BackupError::Write)?;
    let mut failed = None;
    let mut take = |values: Vec<Value>| {
        *rows += 1;
        if rows.is_multiple_of(TOLD_EVERY) {
            told(*rows);
        }
        writer.row(&values).map_err(|error| {
            failed = Some(error);
            StoreError::Refused("the backup cannot be written".to_owned())
        })
    };
    let read = tx.each(&format!("rows_of_{table}"), &sql, &mut take).await;
    match failed {
        Some(error) => Err(BackupError::Write(error)),
        None => Ok(read.map_err(OpenError::Store)?),
    }
}
