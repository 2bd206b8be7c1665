//! Tags, so that keys are found by them.
//!
//! A key has a row for each question that finds it: for the name of a tag, and for `name:value` when the value, or an
//! entry of a list, is a text, a number or a truth value. The rows hold digests, as a tag may be longer than an index
//! takes.

use std::sync::LazyLock;

use keystile_core::{ApiKey, Digest};
use serde_json::{Map, Value as Json};

use crate::StoreError;
use crate::page::unseen;
use crate::tx::Tx;
use crate::value::Value;

const REMOVE: &str = "DELETE FROM key_tags WHERE tenant_id = $1 AND key_id = $2";
/// Whether more than so many keys have a tag: of the index of tags alone.
pub(crate) const MORE: &str = concat!(
    "SELECT key_id FROM key_tags WHERE tenant_id = $1 AND tag = $2 ORDER BY key_id LIMIT 1 OFFSET ",
    unseen!("$3")
);
const UNFILLED: &str = "SELECT tenant_id, id, tags FROM api_keys WHERE id > $1 AND tags <> '{}'
    ORDER BY id LIMIT 1000";

/// How many rows one statement writes. A smaller rest is filled up with repeats, so that there are only as many
/// statements to keep prepared.
const SIZES: [usize; 3] = [2, 16, 128];

static STATEMENTS: LazyLock<[String; 3]> = LazyLock::new(|| SIZES.map(statement));

/// What stands for the question `tag`.
pub(crate) fn digest(tag: &str) -> Digest {
    Digest::of(tag.as_bytes())
}

/// Adds the rows of new keys.
pub(crate) async fn add(keys: &[ApiKey], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let rows =
        keys.iter().flat_map(|key| rows_of(&Value::text(key.tenant_id), &Value::text(key.id), &key.tags));
    insert(&rows.collect::<Vec<_>>(), tx).await
}

/// Brings the rows of a changed key up to date.
pub(crate) async fn change(before: &ApiKey, after: &ApiKey, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if before.tags == after.tags {
        return Ok(());
    }
    tx.execute(REMOVE, &[Value::text(after.tenant_id), Value::text(after.id)]).await?;
    add(std::slice::from_ref(after), tx).await
}

/// Adds the rows of all keys that were there before there were any.
pub(crate) async fn fill(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let mut after = String::new();
    loop {
        let rows = tx.query(UNFILLED, &[Value::text(&after)]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for mut row in rows {
            let (tenant_id, key_id) = (row.text("tenant_id")?, row.text("id")?);
            let tags = row.json("tags")?;
            insert(&rows_of(&Value::text(tenant_id), &Value::text(&key_id), &tags), tx).await?;
            after = key_id;
        }
    }
}

async fn insert(rows: &[[Value; 3]], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for chunk in rows.chunks(SIZES[SIZES.len() - 1]) {
        let index = SIZES.iter().position(|size| *size >= chunk.len()).unwrap_or(SIZES.len() - 1);
        let repeats = std::iter::repeat_n(&chunk[0], SIZES[index] - chunk.len());
        let values: Vec<Value> = chunk.iter().chain(repeats).flatten().cloned().collect();
        tx.execute(&STATEMENTS[index], &values).await?;
    }
    Ok(())
}

fn rows_of(tenant_id: &Value, key_id: &Value, tags: &Map<String, Json>) -> Vec<[Value; 3]> {
    let digests = tags.iter().flat_map(questions);
    digests.map(|tag| [tenant_id.clone(), key_id.clone(), tag.into()]).collect()
}

/// The questions that a tag is an answer to.
fn questions((name, value): (&String, &Json)) -> Vec<Digest> {
    let entries = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let pairs = entries.iter().filter_map(text).map(|value| digest(&format!("{name}:{value}")));
    std::iter::once(digest(name)).chain(pairs).collect()
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

fn statement(size: usize) -> String {
    let row = |index: usize| format!("(${}, ${}, ${})", 3 * index + 1, 3 * index + 2, 3 * index + 3);
    let rows: Vec<_> = (0..size).map(row).collect();
    format!("INSERT INTO key_tags (tenant_id, key_id, tag) VALUES {} ON CONFLICT DO NOTHING", rows.join(", "))
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const BEFORE: &str = "CREATE TABLE api_keys (tenant_id TEXT, id TEXT, tags TEXT);
        CREATE TABLE key_tags (tenant_id TEXT, key_id TEXT, tag BLOB, PRIMARY KEY (tenant_id, key_id, tag));
        WITH RECURSIVE n(n) AS (SELECT 10000 UNION ALL SELECT n + 1 FROM n WHERE n < 12499)
        INSERT INTO api_keys SELECT 't', n, iif(n % 2, '{\"odd\":[true,\"yes\"]}', '{}') FROM n;";

    /// On SQLite nothing waits.
    fn at_once<T>(work: impl Future<Output = T>) -> T {
        match std::pin::pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => panic!("it waited"),
        }
    }

    #[test]
    fn keys_that_were_there_before_get_their_rows() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(BEFORE).unwrap();
        at_once(fill(&mut Tx::Sqlite(&mut connection))).unwrap();
        for (tag, found) in [("odd", 1250), ("odd:true", 1250), ("odd:yes", 1250), ("odd:no", 0)] {
            let count = "SELECT count(*) FROM key_tags WHERE tag = ?1";
            let rows: i64 = connection.query_row(count, [digest(tag).as_bytes()], |row| row.get(0)).unwrap();
            assert_eq!(rows, found, "{tag}");
        }
    }
}
