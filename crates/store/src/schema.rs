//! What the schema of a database means to this program, which may be older or newer than it.
//!
//! Each step of the schema tells the oldest schema whose servers *survive* it: they may go on serving from the database, and may be started
//! on it. So versions can be exchanged node by node, and the version before can come back.

use std::fmt;

use crate::migrate::{self, Migration};
use crate::row::Row;
use crate::tx::Tx;
use crate::value::Value;
use crate::{OpenError, StoreError};

/// The step since which steps tell who survives them, and nodes what they know.
const TELLS_SINCE: i64 = 34;
/// What nodes know that do not tell: none of them can have been started on an earlier schema.
const UNTOLD: i64 = 32;

const IS_THERE: &str = "SELECT 1 AS found FROM {tables} AS tables WHERE name = 'schema_migrations'";
const LAST: &str = "SELECT version FROM schema_migrations ORDER BY version DESC LIMIT 1";
/// Of the steps that are not known here the one that asks for most.
const SURVIVED_BY: &str = "SELECT MAX(COALESCE(survived_by, version)) AS survived_by FROM schema_migrations
    WHERE version > $1";
const NODES: &str = "SELECT name, version, knows_schema FROM nodes ORDER BY id";
const NODES_BEFORE: &str = "SELECT name, version, NULL AS knows_schema FROM nodes ORDER BY id";

/// What the schema of a database means to this program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    found: i64,
    /// The oldest schema that has to be known, if later steps than those known here were done.
    needed: i64,
}

impl Schema {
    /// The schema whose last step was `version`.
    pub(crate) const fn of(version: i64) -> Self {
        Self { found: version, needed: version }
    }

    /// The last step that was done; 0 when there was none.
    pub(crate) const fn version(self) -> i64 {
        self.found
    }

    /// Serving needs the schema that this program knows, or a later one that it survives.
    pub(crate) fn check_served(self) -> Result<(), OpenError> {
        self.check_survived()?;
        let known = migrate::latest();
        if self.found < known { Err(OpenError::SchemaBehind { found: self.found, known }) } else { Ok(()) }
    }

    /// A server of this program works with the database, once it has the steps that are known here.
    pub(crate) fn check_survived(self) -> Result<(), OpenError> {
        let (found, known) = (self.found, migrate::latest());
        if found > known && self.needed > known {
            return Err(OpenError::SchemaTooNew { found, known });
        }
        Ok(())
    }

    /// All that is in the database has a place that is known here.
    pub(crate) fn check_known(self) -> Result<(), OpenError> {
        let (found, known) = (self.found, migrate::latest());
        if found > known { Err(OpenError::SchemaTooNew { found, known }) } else { Ok(()) }
    }
}

/// Reads which steps a database has had.
pub(crate) async fn read(tx: &mut Tx<'_>) -> Result<Schema, StoreError> {
    if tx.query_opt(IS_THERE, &[]).await?.is_none() {
        return Ok(Schema::of(0));
    }
    let found = tx.query_opt(LAST, &[]).await?.map(|mut row| row.int("version")).transpose()?.unwrap_or(0);
    let known = migrate::latest();
    if found <= known {
        return Ok(Schema::of(found));
    }
    let needed = tx.query_opt(SURVIVED_BY, &[Value::Int(known)]).await?;
    let needed = needed.map(|mut row| row.opt_int("survived_by")).transpose()?.flatten();
    Ok(Schema { found, needed: needed.unwrap_or(found) })
}

/// A node that would not survive a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outdated {
    /// What operators call it.
    pub name: String,
    /// Which version of the program it is.
    pub version: String,
}

impl fmt::Display for Outdated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.name, self.version)
    }
}

/// Nodes that would not survive these steps. The schema has to be locked.
pub(crate) async fn outdated(
    found: i64,
    missing: &[&Migration],
    tx: &mut Tx<'_>,
) -> Result<Vec<Outdated>, StoreError> {
    let needed = missing.iter().map(|step| step.survived_by).max().unwrap_or(0);
    let nodes = tx.query(if found < TELLS_SINCE { NODES_BEFORE } else { NODES }, &[]).await?;
    let nodes: Vec<_> = nodes.into_iter().map(read_node).collect::<Result<_, _>>()?;
    Ok(nodes.into_iter().filter(|(knows, _)| *knows < needed).map(|(_, node)| node).collect())
}

fn read_node(mut row: Row) -> Result<(i64, Outdated), StoreError> {
    let node = Outdated { name: row.text("name")?, version: row.text("version")? };
    Ok((row.opt_int("knows_schema")?.unwrap_or(UNTOLD), node))
}

/// Notes that a step was done, and who survives it as soon as there is a place for that.
pub(crate) async fn note(step: &Migration, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let (version, name) = (Value::Int(step.version), Value::text(step.name));
    if step.version < TELLS_SINCE {
        let sql = "INSERT INTO schema_migrations (version, name) VALUES ($1, $2)";
        return tx.execute(sql, &[version, name]).await.map(drop);
    }
    let sql = "INSERT INTO schema_migrations (version, name, survived_by) VALUES ($1, $2, $3)";
    tx.execute(sql, &[version, name, Value::Int(step.survived_by)]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::engine::sqlite;

    /// A database with two nodes, one of which tells what it knows.
    fn nodes() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate::scripts().for_each(|script| sqlite::script(&connection, script).unwrap());
        let node = |name: &str, knows: &str| {
            format!(
                "INSERT INTO nodes (id, server, name, address, version, started_at, lease_millis, lease_until, beat, applied,
                    revision, knows_schema) VALUES ('{name}', x'00', '{name}', '', '1', 0, 0, 0, 0, '', 0, {knows});"
            )
        };
        connection.execute_batch(&(node("silent", "NULL") + &node("telling", "40"))).unwrap();
        connection
    }

    async fn outdated_by(found: i64, survived_by: i64) -> Vec<String> {
        let step = migrate::last().survived_by(survived_by);
        let mut connection = nodes();
        let outdated = outdated(found, &[&step], &mut Tx::Sqlite(&mut connection)).await.unwrap();
        outdated.into_iter().map(|node| node.name).collect()
    }

    #[tokio::test]
    async fn nodes_survive_what_they_know_or_what_lets_them_go_on() {
        for (survived_by, expected) in
            [(32, &[][..]), (33, &["silent"]), (40, &["silent"]), (41, &["silent", "telling"])]
        {
            assert_eq!(outdated_by(34, survived_by).await, expected, "{survived_by}");
        }
        assert_eq!(outdated_by(33, 33).await, ["silent", "telling"], "nobody tells yet");
    }

    #[test]
    fn what_came_after_is_served_if_all_of_it_is_survived() {
        let known = migrate::latest();
        let later = |needed| Schema { found: known + 2, needed };
        assert!(later(known).check_served().is_ok() && later(known).check_known().is_err());
        let refused = later(known + 1).check_served();
        assert!(matches!(refused, Err(OpenError::SchemaTooNew { .. })));
        assert!(matches!(Schema::of(known - 1).check_served(), Err(OpenError::SchemaBehind { .. })));
        assert!(Schema::of(known).check_served().is_ok() && Schema::of(known).check_known().is_ok());
    }
}
