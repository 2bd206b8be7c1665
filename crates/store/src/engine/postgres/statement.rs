//! Runs statements on PostgreSQL.

use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use deadpool_postgres::ClientWrapper;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error as PgError, SimpleQueryMessage};

use crate::Doubt;
use crate::dialect::{Words, translate};
use crate::doubt::Transaction;
use crate::error::{StoreError, Unique};
use crate::row::Row;
use crate::tx::{Statement, TakeRow};
use crate::value::Value;

const WORDS: &Words = &[
    ("{id}", "TEXT COLLATE \"C\""),
    ("{int}", "BIGINT"),
    ("{blob}", "BYTEA"),
    ("{strict}", ""),
    ("{clustered}", ""),
    ("{derived}", "STORED"),
    ("{by_bytes}", "COLLATE \"C\""),
    ("{for_update}", "FOR UPDATE"),
    ("{for_share}", "FOR SHARE"),
    ("{skip_locked}", "SKIP LOCKED"),
    ("{aside}", ""),
    ("{key_names}", "key_names"),
    ("{sorted_key_names}", "key_names"),
    ("{named_key}", "LATERAL (SELECT * FROM api_keys WHERE tenant_id = $1 AND id = named_id LIMIT 1) AS api_keys"),
    // See `unseen` in `page.rs`. A bound does less: of rows that are alike in what they are ordered by first, it goes through all.
    ("{first}", "LIMIT (SELECT CAST("),
    ("{of_them}", " AS BIGINT))"),
    ("{tables}", "(SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema())"),
    (
        "{columns}",
        "(SELECT CAST(table_name AS TEXT) AS in_table, CAST(column_name AS TEXT) AS name,
            CAST(ordinal_position AS BIGINT) AS place
            FROM information_schema.columns WHERE table_schema = current_schema() AND is_generated = 'NEVER')",
    ),
];

/// The advisory lock of migrations: the ASCII codes of `keystile`.
const SCHEMA_LOCK: i64 = 0x6b65_7973_7469_6c65;

/// Longest that an answer is waited for. The server's own limits on statements and locks are shorter, so this ends
/// only the waiting for one that is frozen, or for a network that took what was sent and lost it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// A statement as PostgreSQL takes it.
#[cfg(test)]
pub(crate) fn translated(sql: &str) -> std::borrow::Cow<'_, str> {
    translate(sql, WORDS)
}

/// Runs a statement and says how many rows it touched.
pub(crate) async fn execute(client: &ClientWrapper, sql: &str, values: &[Value]) -> Result<u64, StoreError> {
    let answer = async {
        let statement = client.prepare_cached(&translate(sql, WORDS)).await?;
        client.execute_raw(&statement, values).await
    };
    in_time(answer).await.map_err(Trouble::of_statement)
}

/// Begins a transaction and takes down its number, by which its end can be asked for when the connection is lost.
pub(super) async fn begin(client: &ClientWrapper) -> Result<Doubt, StoreError> {
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_current_xact_id()";
    let messages = in_time(client.simple_query(begin)).await.map_err(Trouble::of_statement)?;
    let number = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    let number = number.ok_or_else(|| StoreError::Corrupt("a transaction has no number".to_owned()))?;
    Ok(Doubt(Transaction::Number(number)))
}

/// Begins a transaction that only reads, and sees the moment of its first statement all the time.
pub(super) async fn begin_look(client: &ClientWrapper) -> Result<(), StoreError> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    in_time(client.batch_execute(begin)).await.map_err(Trouble::of_statement)
}

/// Ends it. There is nothing that could be in doubt.
pub(super) async fn end_look(client: &ClientWrapper) -> Result<(), StoreError> {
    in_time(client.batch_execute("COMMIT")).await.map_err(Trouble::of_statement)
}

/// Commits the open transaction, which is in doubt when that is not answered.
pub(super) async fn commit(client: &ClientWrapper, doubt: Doubt) -> Result<(), StoreError> {
    in_time(client.batch_execute("COMMIT")).await.map_err(|trouble| trouble.of_commit(doubt))
}

/// Runs a statement and gives all its rows.
pub(crate) async fn query(
    client: &ClientWrapper,
    sql: &str,
    values: &[Value],
) -> Result<Vec<Row>, StoreError> {
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    let answer = async {
        let statement = client.prepare_cached(&translate(sql, WORDS)).await?;
        client.query(&statement, &values).await
    };
    read_rows(&in_time(answer).await.map_err(Trouble::of_statement)?)
}

/// What the rows of an answer hold.
pub(super) fn read_rows(rows: &[tokio_postgres::Row]) -> Result<Vec<Row>, StoreError> {
    let read = |row: &tokio_postgres::Row| {
        (0..row.len()).map(|column| row.try_get(column)).collect::<Result<_, _>>()
    };
    rows.iter().map(|row| read(row).map(Row::new).map_err(store_error)).collect()
}

/// How many rows come first of what is read one by one, whose size nobody knows; the largest have megabytes.
const FETCHED_FIRST: usize = 8;
/// Most rows that come at a time.
const FETCHED: usize = 1024;
/// About how many bytes come at a time: enough for the way to be worth it, and few enough to be kept in memory.
const FETCHED_BYTES: usize = 4 * 1024 * 1024;

/// Runs a statement by a cursor of this name, and hands its rows on, one by one.
pub(crate) async fn each(
    client: &ClientWrapper,
    cursor: &str,
    sql: &str,
    take: &mut TakeRow<'_>,
) -> Result<(), StoreError> {
    script(client, &format!("DECLARE {cursor} NO SCROLL CURSOR FOR {sql}")).await?;
    let mut wanted = FETCHED_FIRST;
    loop {
        let rows = query(client, &format!("FETCH {wanted} FROM {cursor}"), &[]).await?;
        let (fetched, mut bytes) = (rows.len(), 0);
        for row in rows {
            let values = row.into_values();
            bytes += values.iter().map(Value::size).sum::<usize>();
            take(values)?;
        }
        if fetched < wanted {
            return script(client, &format!("CLOSE {cursor}")).await;
        }
        wanted = next_wanted(wanted, bytes / fetched);
    }
}

/// How many rows are to come next, of which those before had so many bytes each. A power of two, so that there are only a few statements to keep prepared,
/// and no more than twice as many as before, as those that follow may be larger.
fn next_wanted(before: usize, bytes: usize) -> usize {
    let fitting = (FETCHED_BYTES / bytes.max(1)).clamp(1, FETCHED);
    (1_usize << fitting.ilog2()).min(2 * before)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, PgError>>) -> Result<T, Trouble> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answered) => answered.map_err(Trouble::Answer),
        Err(_) => Err(Trouble::Silence),
    }
}

/// What came instead of a result.
enum Trouble {
    Answer(PgError),
    Silence,
}

impl Trouble {
    fn of_statement(self) -> StoreError {
        match self {
            Self::Answer(error) => store_error(error),
            Self::Silence => StoreError::unavailable(Silence),
        }
    }

    /// Only an answer after which the session goes on says that the commit did not happen.
    fn of_commit(self, doubt: Doubt) -> StoreError {
        match self {
            Self::Answer(error) => match error.as_db_error().and_then(DbError::parsed_severity) {
                Some(Severity::Error) => store_error(error),
                _ => StoreError::InDoubt { doubt, source: error.into() },
            },
            Self::Silence => StoreError::InDoubt { doubt, source: Silence.into() },
        }
    }
}

/// The server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} seconds", ANSWER_TIMEOUT.as_secs())]
struct Silence;

/// Makes sure that the connection knows the statements. Those of a pipeline are all known before the first is
/// sent, because one that has to be prepared first would be overtaken.
pub(crate) async fn prepare_all(client: &ClientWrapper, batch: &[Statement<'_>]) -> Result<(), StoreError> {
    for (sql, _) in batch {
        let known = async { client.prepare_cached(&translate(sql, WORDS)).await.map(drop) };
        in_time(known).await.map_err(Trouble::of_statement)?;
    }
    Ok(())
}

/// Runs a text of several statements, however long it takes.
pub(crate) async fn script(client: &ClientWrapper, sql: &str) -> Result<(), StoreError> {
    client.batch_execute(&translate(sql, WORDS)).await.map_err(store_error)
}

/// Keeps other processes from migrating until the transaction ends.
pub(crate) async fn lock_schema(client: &ClientWrapper) -> Result<(), StoreError> {
    // Building an index over a large table takes as long as it takes, and so does waiting for who builds it.
    let patiently = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
    script(client, &format!("{patiently}; SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")).await
}

/// Ends the waiting for a lock after two seconds.
pub(crate) async fn be_brief(client: &ClientWrapper) -> Result<(), StoreError> {
    script(client, "SET LOCAL lock_timeout = '2s'").await
}

/// Waits for whoever migrates.
pub(super) fn wait_for_schema() -> String {
    format!(
        "SET lock_timeout = 0; SELECT pg_advisory_xact_lock_shared({SCHEMA_LOCK}); SET lock_timeout = '5s'"
    )
}

/// Lets the open transaction last as long as it takes.
pub(crate) async fn be_patient(client: &ClientWrapper) -> Result<(), StoreError> {
    let patiently = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0";
    script(client, patiently).await
}

/// Whether the transaction came to nothing through no fault of its own: it was ended for the sake of
/// another one, or its connection was cut before the commit.
pub(super) fn may_try_again(error: &StoreError) -> bool {
    const LOST: [SqlState; 5] = [
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    let StoreError::Unavailable(cause) = error else { return false };
    cause
        .downcast_ref::<PgError>()
        .is_some_and(|error| error.is_closed() || error.code().is_some_and(|code| LOST.contains(code)))
}

/// What the first two characters of an SQLSTATE mean is in appendix A of PostgreSQL's manual.
pub(super) fn store_error(error: PgError) -> StoreError {
    let Some(answer) = error.as_db_error() else {
        let unreadable = error.source().is_some_and(<dyn Error>::is::<Unreadable>);
        let why = |error: &PgError| error.source().map_or_else(|| error.to_string(), ToString::to_string);
        return if unreadable { StoreError::Corrupt(why(&error)) } else { StoreError::unavailable(error) };
    };
    if *answer.code() == SqlState::UNIQUE_VIOLATION
        && let Some(unique) = answer.constraint().and_then(Unique::named)
    {
        return StoreError::Conflict(unique);
    }
    match answer.code().code().get(..2) {
        Some("22" | "23" | "54") => StoreError::Refused(answer.message().to_owned()),
        Some("42" | "XX") => StoreError::Corrupt(answer.message().to_owned()),
        _ => StoreError::unavailable(error),
    }
}

/// A column has a type this program never made.
#[derive(Debug, thiserror::Error)]
#[error("a column has the type {0}")]
struct Unreadable(Type);

impl ToSql for Value {
    fn to_sql(&self, column: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(int) if *column == Type::INT8 => int.to_sql(column, out),
            Self::Text(text) if *column == Type::TEXT => text.to_sql(column, out),
            Self::Word(word) if *column == Type::TEXT => word.to_sql(column, out),
            Self::Blob(bytes) if *column == Type::BYTEA => bytes.as_slice().to_sql(column, out),
            Self::Int(_) | Self::Text(_) | Self::Word(_) | Self::Blob(_) => {
                Err(Unreadable(column.clone()).into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for Value {
    fn from_sql(column: &Type, bytes: &'r [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match *column {
            Type::INT8 => i64::from_sql(column, bytes).map(Self::Int),
            Type::INT4 => i32::from_sql(column, bytes).map(|int| Self::Int(i64::from(int))),
            Type::TEXT => String::from_sql(column, bytes).map(Self::Text),
            Type::BYTEA => <&[u8]>::from_sql(column, bytes).map(Self::blob),
            _ => Err(Unreadable(column.clone()).into()),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_as_many_at_a_time_as_fit_into_memory() {
        let (small, large) = (100, 3 * 1024 * 1024);
        let mut wanted = FETCHED_FIRST;
        for expected in [16, 32, 64, 128, 256, 512, 1024, 1024] {
            wanted = next_wanted(wanted, small);
            assert_eq!(wanted, expected);
        }
        assert_eq!(next_wanted(wanted, large), 1);
        assert_eq!((next_wanted(1, 0), next_wanted(8, 1024 * 1024)), (2, 4));
    }
}
