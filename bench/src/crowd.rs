//! Keys that are in the store and that nobody asks for: rows like the others, of secrets that nobody knows.

use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::{Connection, Row};

/// Rows of one transaction.
const ROWS: usize = 500_000;
/// What SQLite may keep in memory of the file, in KiB: the indexes, which are written in no order.
const CACHE_KIB: i64 = 4 * 1024 * 1024;

/// Adds `count` rows to the keys of a SQLite file that no server uses, each like the first one, with an id and a digest of
/// its own.
pub(crate) fn add(file: &Path, count: usize) -> Result<()> {
    let database = Connection::open(file)?;
    database.pragma_update(None, "synchronous", "OFF")?;
    database.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let columns = database
        .prepare("SELECT name FROM pragma_table_info('api_keys')")?
        .query_map([], |row: &Row<'_>| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let values = columns.iter().map(|column| value(column)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "WITH RECURSIVE numbers (number, id) AS (SELECT 1, {ID} UNION ALL SELECT number + 1, {ID} FROM numbers WHERE number < ?1)
         INSERT INTO api_keys ({}) SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM api_keys ORDER BY id LIMIT 1) AS first",
        columns.join(", ")
    );
    let mut left = count;
    while left > 0 {
        let rows = left.min(ROWS);
        database.execute(&sql, [i64::try_from(rows)?]).context("keys cannot be added")?;
        left -= rows;
    }
    Ok(())
}

/// Digits of a ULID, of which hexadecimal ones are a part, that cannot run over.
const ID: &str = "'key_0' || substr(hex(randomblob(13)), 1, 25)";

fn value(column: &str) -> String {
    match column {
        "id" | "lineage_id" => "numbers.id".to_owned(),
        "digest" => "randomblob(32)".to_owned(),
        other => format!("first.{other}"),
    }
}
