//! What there is to back up.

use std::collections::BTreeSet;

use crate::StoreError;
use crate::tx::Tx;
use crate::value::Value;

/// Every table of ours but that of the migrations, each behind those that it refers to. A table that a later migration drops stays
/// here, for backups from before.
pub(super) const TABLES: &[&str] = &[
    "tenants",
    "persons",
    "memberships",
    "applications",
    "customers",
    "api_keys",
    "retired_secrets",
    "key_ends",
    "revocation_journals",
    "key_tags",
    "audit_entries",
    "audit_chains",
    "idempotent_requests",
    "refused_sign_ins",
    "sessions",
    "refresh_tokens",
    "password_resets",
    "second_factors",
    "recovery_codes",
    "invitations",
    "permissions",
    "limit_use",
    "key_usage",
    "usage_batches",
    "tenant_usage",
    "key_addresses",
    "event_spaces",
    "event_sources",
    "event_streams",
    "events",
    "entities",
    "event_counts",
    "source_activity",
    "leak_reports",
    "requests",
    "request_gaps",
    "request_breaks",
    "jobs",
    "job_inputs",
    "job_chunks",
    "webhooks",
    "webhook_tenants",
    "webhook_deliveries",
    "webhook_messages",
    "key_notices",
    "providers",
    "models",
    "model_prices",
    "budgets",
    "budget_leases",
    "budget_guard",
    "holds",
    "ledger",
    "spend",
];

/// Tables of ours that say what servers do at this moment, which no backup keeps.
const OF_SERVERS: &[&str] = &["changes", "nodes"];

/// Tables of ours that PostgreSQL fills from others, as it fills an index, so that no backup needs them.
const DERIVED: &[&str] = &["key_names"];

/// The tables of ours that a restore makes anew, each before those that refer to it.
pub(super) async fn to_drop(tx: &mut Tx<'_>) -> Result<Vec<&'static str>, StoreError> {
    let names = names(tx).await?;
    let all = OF_SERVERS.iter().chain(DERIVED).chain(TABLES.iter().rev());
    Ok(all.copied().filter(|table| names.contains(*table)).collect())
}

/// The tables of ours that the engine has to look at when they were filled.
pub(super) async fn to_analyze(tx: &mut Tx<'_>) -> Result<Vec<&'static str>, StoreError> {
    let names = names(tx).await?;
    Ok(TABLES.iter().chain(DERIVED).copied().filter(|table| names.contains(*table)).collect())
}

/// The tables of ours that the database has, in the order of [`TABLES`].
pub(super) async fn present(tx: &mut Tx<'_>) -> Result<Vec<&'static str>, StoreError> {
    let names = names(tx).await?;
    Ok(TABLES.iter().copied().filter(|table| names.contains(*table)).collect())
}

/// All tables of the schema; others may use it, too.
async fn names(tx: &mut Tx<'_>) -> Result<BTreeSet<String>, StoreError> {
    let rows = tx.query("SELECT CAST(name AS TEXT) AS name FROM {tables} AS known", &[]).await?;
    rows.into_iter().map(|mut row| row.text("name")).collect()
}

/// The columns of a table that are written, in their order.
pub(super) async fn columns(table: &str, tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT name FROM {columns} AS known WHERE in_table = $1 ORDER BY place";
    let rows = tx.query(sql, &[Value::text(table)]).await?;
    rows.into_iter().map(|mut row| row.text("name")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rusqlite::Connection;

    use super::{OF_SERVERS, TABLES};
    use crate::engine::sqlite;
    use crate::migrate;

    /// A database with the present schema.
    fn present() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        migrate::scripts().for_each(|script| sqlite::script(&connection, script).unwrap());
        connection
    }

    fn names(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_table_that_there_ever_was_is_backed_up() {
        let connection = Connection::open_in_memory().unwrap();
        let mut there = BTreeSet::new();
        for script in migrate::scripts() {
            sqlite::script(&connection, script).unwrap();
            there.extend(names(&connection, "SELECT name FROM sqlite_schema WHERE type = 'table'"));
        }
        there.retain(|table| !OF_SERVERS.contains(&table.as_str()) && table != "schema_migrations");
        let listed: BTreeSet<_> = TABLES.iter().map(|table| (*table).to_owned()).collect();
        assert_eq!(there, listed);
        assert_eq!(TABLES.len(), listed.len(), "each once");
    }

    #[test]
    fn every_table_stands_behind_those_that_it_refers_to() {
        let connection = present();
        for (place, table) in TABLES.iter().enumerate() {
            let parents =
                names(&connection, &format!("SELECT \"table\" FROM pragma_foreign_key_list('{table}')"));
            for parent in parents {
                assert!(TABLES[..place].contains(&parent.as_str()), "{table} refers to {parent}");
            }
        }
    }
}
