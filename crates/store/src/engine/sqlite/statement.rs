//! Runs statements on SQLite.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, ToSql, ffi};

use crate::dialect::{Words, translate};
use crate::error::{StoreError, Unique};
use crate::row::Row;
use crate::tx::{Statement, TakeRow};
use crate::value::Value;

const WORDS: &Words = &[
    ("$", "?"),
    ("{id}", "TEXT"),
    ("{int}", "INTEGER"),
    ("{blob}", "BLOB"),
    ("{strict}", "STRICT"),
    ("{clustered}", "STRICT, WITHOUT ROWID"),
    ("{derived}", "VIRTUAL"),
    ("{by_bytes}", ""),
    ("{for_update}", ""),
    ("{for_share}", ""),
    ("{skip_locked}", ""),
    ("{aside}", "+"),
    // It would take the index of all keys, which has no names.
    (
        "{key_names}",
        "(SELECT tenant_id, id, name_search FROM api_keys INDEXED BY api_keys_searched WHERE deleted_at IS NULL)",
    ),
    (
        "{sorted_key_names}",
        "(SELECT tenant_id, id, name_search FROM api_keys INDEXED BY api_keys_named WHERE deleted_at IS NULL)",
    ),
    ("{named_key}", "api_keys"),
    ("{first}", "/*"),
    ("{of_them}", "*/"),
    ("{tables}", "(SELECT name FROM sqlite_schema WHERE type = 'table')"),
    (
        "{columns}",
        "(SELECT t.name AS in_table, c.name AS name, c.cid AS place
            FROM sqlite_schema AS t JOIN pragma_table_xinfo(t.name) AS c WHERE t.type = 'table' AND c.hidden = 0)",
    ),
];

/// Runs a statement and says how many rows it touched.
pub(crate) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    touched(&mut prepare(connection, sql).map_err(store_error)?, values)
}

/// Runs a statement and gives all its rows.
pub(crate) fn query(connection: &Connection, sql: &str, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    rows(&mut prepare(connection, sql).map_err(store_error)?, values)
}

/// Runs statements in order and says how many rows each touched.
pub(crate) fn execute_all(connection: &Connection, batch: &[Statement<'_>]) -> Result<Vec<u64>, StoreError> {
    in_order(connection, batch, touched)
}

/// Runs statements in order and gives the rows of each.
pub(crate) fn query_all(
    connection: &Connection,
    batch: &[Statement<'_>],
) -> Result<Vec<Vec<Row>>, StoreError> {
    in_order(connection, batch, rows)
}

/// One that follows itself, with other values, is looked up once.
fn in_order<T>(
    connection: &Connection,
    batch: &[Statement<'_>],
    run: fn(&mut CachedStatement<'_>, &[Value]) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut last: Option<(&str, CachedStatement<'_>)> = None;
    let mut done = Vec::with_capacity(batch.len());
    for (sql, values) in batch {
        let statement = match last.take() {
            Some((text, statement)) if text == *sql => statement,
            Some(_) | None => prepare(connection, sql).map_err(store_error)?,
        };
        let (_, statement) = last.insert((sql, statement));
        done.push(run(statement, values)?);
    }
    Ok(done)
}

fn touched(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<u64, StoreError> {
    let rows = statement.execute(rusqlite::params_from_iter(values)).map_err(store_error)?;
    Ok(rows as u64)
}

fn rows(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<Vec<Row>, StoreError> {
    let columns = statement.column_count();
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(store_error)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let read = |column| row.get_ref(column).map_err(store_error).and_then(value);
        found.push(Row::new((0..columns).map(read).collect::<Result<_, _>>()?));
    }
    Ok(found)
}

/// Runs a statement and hands its rows on, one by one.
pub(crate) fn each(connection: &Connection, sql: &str, take: &mut TakeRow<'_>) -> Result<(), StoreError> {
    let mut statement = prepare(connection, sql).map_err(store_error)?;
    let columns = statement.column_count();
    let mut rows = statement.query([]).map_err(store_error)?;
    while let Some(row) = rows.next().map_err(store_error)? {
        let read = |column| row.get_ref(column).map_err(store_error).and_then(value);
        take((0..columns).map(read).collect::<Result<_, _>>()?)?;
    }
    Ok(())
}

/// Runs a text of several statements.
pub(crate) fn script(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.execute_batch(&translate(sql, WORDS)).map_err(store_error)
}

fn prepare<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
    connection.prepare_cached(&translate(sql, WORDS))
}

fn value(read: ValueRef<'_>) -> Result<Value, StoreError> {
    match read {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(int) => Ok(Value::Int(int)),
        ValueRef::Blob(bytes) => Ok(Value::blob(bytes)),
        ValueRef::Text(text) => String::from_utf8(text.to_owned())
            .map(Value::Text)
            .map_err(|_| StoreError::Corrupt("a text is not UTF-8".to_owned())),
        ValueRef::Real(_) => Err(StoreError::Corrupt("a fraction where none can be".to_owned())),
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Word(word) => ValueRef::Text(word.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn store_error(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return StoreError::Corrupt(error.to_string());
    };
    match failure.code {
        ErrorCode::ConstraintViolation => constraint(failure.extended_code, message.as_deref()),
        ErrorCode::TooBig => StoreError::Refused(error.to_string()),
        ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::TypeMismatch
        | ErrorCode::Unknown => StoreError::Corrupt(error.to_string()),
        _ => StoreError::unavailable(error),
    }
}

/// SQLite names the columns of a broken unique index in its message, and nowhere else.
fn constraint(extended_code: i32, message: Option<&str>) -> StoreError {
    let message = message.unwrap_or("a constraint failed");
    let columns = message.strip_prefix("UNIQUE constraint failed: ");
    match columns.and_then(Unique::named) {
        Some(unique) if extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE => StoreError::Conflict(unique),
        _ => StoreError::Refused(message.to_owned()),
    }
}
