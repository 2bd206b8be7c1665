//! Brings a database to the schema of this program.

use crate::schema::{self, Schema};
use crate::tx::Tx;
use crate::{OpenError, StoreError, tags};

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number; they run in order, from 1.
    pub version: i64,
    /// What its file is called.
    pub name: &'static str,
    /// The oldest schema whose servers may go on serving when it was done; its own number if none may that does not know it.
    pub survived_by: i64,
    sql: &'static str,
    /// What PostgreSQL alone runs behind it; nothing of most.
    on_postgres: &'static str,
    then: Then,
}

/// What follows the SQL of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Nothing.
    Done,
    /// Keys get the rows by which their tags are found.
    FillTags,
}

impl Migration {
    const fn sql(version: i64, name: &'static str, sql: &'static str) -> Self {
        Self { version, name, survived_by: version, sql, on_postgres: "", then: Then::Done }
    }

    /// Servers may go on that know the schema `oldest`, or a later one: they neither read nor write what it changes, and what they write without
    /// knowing of it is read as they mean it. It must hold no lock for long either, as it is run beside them.
    pub(crate) const fn survived_by(self, oldest: i64) -> Self {
        Self { survived_by: oldest, ..self }
    }
}

/// Every step there is. A step that was released is never changed.
const MIGRATIONS: &[Migration] = &[
    Migration::sql(1, "0001_first", include_str!("../migrations/0001_first.sql")),
    Migration::sql(2, "0002_app_stamp", include_str!("../migrations/0002_app_stamp.sql")),
    Migration::sql(3, "0003_tenant_settings", include_str!("../migrations/0003_tenant_settings.sql")),
    Migration {
        then: Then::FillTags,
        ..Migration::sql(4, "0004_keys", include_str!("../migrations/0004_keys.sql"))
    },
    Migration::sql(5, "0005_audit_chain", include_str!("../migrations/0005_audit_chain.sql")),
    Migration::sql(6, "0006_sessions", include_str!("../migrations/0006_sessions.sql")),
    Migration::sql(7, "0007_tenancy", include_str!("../migrations/0007_tenancy.sql")),
    Migration::sql(8, "0008_shared_limits", include_str!("../migrations/0008_shared_limits.sql")),
    Migration::sql(9, "0009_limit_use", include_str!("../migrations/0009_limit_use.sql")),
    Migration::sql(10, "0010_routing", include_str!("../migrations/0010_routing.sql")),
    Migration::sql(11, "0011_key_usage", include_str!("../migrations/0011_key_usage.sql")),
    Migration::sql(12, "0012_sign_ins_told", include_str!("../migrations/0012_sign_ins_told.sql")),
    Migration::sql(13, "0013_tenant_usage", include_str!("../migrations/0013_tenant_usage.sql")),
    Migration::sql(14, "0014_overview", include_str!("../migrations/0014_overview.sql")),
    Migration::sql(15, "0015_key_lists", include_str!("../migrations/0015_key_lists.sql")),
    Migration::sql(16, "0016_console_pages", include_str!("../migrations/0016_console_pages.sql")),
    Migration::sql(17, "0017_key_addresses", include_str!("../migrations/0017_key_addresses.sql")),
    Migration::sql(18, "0018_events", include_str!("../migrations/0018_events.sql")),
    Migration::sql(19, "0019_leaks", include_str!("../migrations/0019_leaks.sql")),
    Migration::sql(20, "0020_posture", include_str!("../migrations/0020_posture.sql")),
    Migration::sql(21, "0021_requests", include_str!("../migrations/0021_requests.sql")),
    Migration::sql(22, "0022_jobs", include_str!("../migrations/0022_jobs.sql")),
    Migration::sql(23, "0023_webhooks", include_str!("../migrations/0023_webhooks.sql")),
    Migration::sql(24, "0024_log_breaks", include_str!("../migrations/0024_log_breaks.sql")),
    Migration::sql(25, "0025_llm", include_str!("../migrations/0025_llm.sql")),
    Migration::sql(26, "0026_budgets", include_str!("../migrations/0026_budgets.sql")),
    Migration::sql(27, "0027_webhook_messages", include_str!("../migrations/0027_webhook_messages.sql")),
    Migration::sql(28, "0028_budget_looks", include_str!("../migrations/0028_budget_looks.sql")),
    Migration::sql(29, "0029_successors", include_str!("../migrations/0029_successors.sql")),
    Migration::sql(30, "0030_spend_filters", include_str!("../migrations/0030_spend_filters.sql")),
    Migration::sql(31, "0031_key_ends", include_str!("../migrations/0031_key_ends.sql")),
    Migration {
        on_postgres: include_str!("../migrations/0032_nodes.postgres.sql"),
        ..Migration::sql(32, "0032_nodes", include_str!("../migrations/0032_nodes.sql"))
    },
    Migration {
        on_postgres: include_str!("../migrations/0033_key_names.postgres.sql"),
        ..Migration::sql(33, "0033_key_names", include_str!("../migrations/0033_key_names.sql"))
    },
    Migration::sql(34, "0034_rolling", include_str!("../migrations/0034_rolling.sql")).survived_by(32),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version {int} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) {strict}";

/// The last step that this program knows.
pub(crate) fn latest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Runs what is missing, all in one transaction, and says what that was. Whoever calls it has seen to it that no server runs that may not survive it.
pub(crate) async fn apply(tx: &mut Tx<'_>) -> Result<Result<Vec<Migration>, OpenError>, StoreError> {
    apply_to(i64::MAX, tx).await
}

/// The same for the schema that has its last step before or at `version`.
pub(crate) async fn apply_to(
    version: i64,
    tx: &mut Tx<'_>,
) -> Result<Result<Vec<Migration>, OpenError>, StoreError> {
    tx.lock_schema().await?;
    let schema = schema::read(tx).await?;
    if let Err(too_new) = schema.check_survived() {
        return Ok(Err(too_new));
    }
    run(&missing(schema, version), tx).await.map(Ok)
}

/// Runs what is missing; beside nodes that run one step of it, if all of them survive all of it: no step keeps them waiting for the next.
pub(crate) async fn apply_beside(tx: &mut Tx<'_>) -> Result<Result<Vec<Migration>, OpenError>, StoreError> {
    tx.lock_schema().await?;
    let schema = schema::read(tx).await?;
    if let Err(too_new) = schema.check_survived() {
        return Ok(Err(too_new));
    }
    let missing = missing(schema, i64::MAX);
    if missing.is_empty() || tx.serves_nobody().await? {
        return run(&missing, tx).await.map(Ok);
    }
    if !tx.serves_only_nodes().await? {
        return Ok(Err(OpenError::Served));
    }
    let outdated = schema::outdated(schema.version(), &missing, tx).await?;
    if !outdated.is_empty() {
        let (found, known) = (schema.version(), latest());
        return Ok(Err(OpenError::NotSurvived { found, known, by: outdated }));
    }
    tx.be_brief().await?;
    run(missing.get(..1).unwrap_or_default(), tx).await.map(Ok)
}

/// The steps up to `version` that a database lacks.
fn missing(schema: Schema, version: i64) -> Vec<&'static Migration> {
    let is_missing = |step: &&Migration| step.version > schema.version() && step.version <= version;
    MIGRATIONS.iter().filter(is_missing).collect()
}

async fn run(missing: &[&Migration], tx: &mut Tx<'_>) -> Result<Vec<Migration>, StoreError> {
    let mut applied = Vec::new();
    for step in missing {
        tx.script(TABLE).await?;
        tx.script(step.sql).await?;
        if !step.on_postgres.is_empty() {
            tx.script_of_postgres(step.on_postgres).await?;
        }
        match step.then {
            Then::Done => {}
            Then::FillTags => tags::fill(tx).await?,
        }
        schema::note(step, tx).await?;
        applied.push(**step);
    }
    Ok(applied)
}

/// The last step.
#[cfg(test)]
pub(crate) fn last() -> &'static Migration {
    &MIGRATIONS[MIGRATIONS.len() - 1]
}

/// The SQL of every step, in order, behind that of the table in which they are noted.
#[cfg(test)]
pub(crate) fn scripts() -> impl Iterator<Item = &'static str> {
    std::iter::once(TABLE).chain(MIGRATIONS.iter().map(|migration| migration.sql))
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    #[test]
    fn migrations_are_numbered_from_one_without_gaps_and_named_by_their_number() {
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, number);
            assert!(migration.name.starts_with(&format!("{number:04}_")), "{}", migration.name);
            assert!(migration.survived_by <= number, "{}", migration.name);
        }
    }
}
