//! The permission catalogues of applications.

use keystile_core::catalogue::MAX_ENTRIES;
use keystile_core::{ApplicationId, AuditEntry, CatalogueEntry, PermissionName, TenantId};

use crate::edit::{take, tell};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const LOCK: &str = "SELECT id FROM applications WHERE tenant_id = $1 AND id = $2 {for_update}";
const COUNT: &str =
    "SELECT COUNT(*) AS entries FROM permissions WHERE tenant_id = $1 AND application_id = $2";
const ONE: &str = "SELECT tenant_id, application_id, name, label, description FROM permissions
    WHERE tenant_id = $1 AND application_id = $2 AND name = $3";
const OF_APPLICATION: &str = "SELECT tenant_id, application_id, name, label, description FROM permissions
    WHERE tenant_id = $1 AND application_id = $2 ORDER BY name";
const PAGE: &str = "SELECT tenant_id, application_id, name, label, description FROM permissions
    WHERE tenant_id = $1 AND (name, application_id) > ($2, $3) ORDER BY name, application_id LIMIT $4";
const INSERT: &str = "INSERT INTO permissions (tenant_id, application_id, name, label, description)
    VALUES ($1, $2, $3, $4, $5)";
const UPDATE: &str = "UPDATE permissions SET label = $4, description = $5
    WHERE tenant_id = $1 AND application_id = $2 AND name = $3";
const DELETE: &str = "DELETE FROM permissions WHERE tenant_id = $1 AND application_id = $2 AND name = $3";

/// The entries behind a given one, in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CataloguePage {
    /// The last entry that was seen; `None` begins with the first.
    pub after: Option<(PermissionName, ApplicationId)>,
    /// How many entries to give, at most.
    pub limit: u32,
}

/// What came of putting an entry into a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetPermission {
    /// It is new.
    Added,
    /// It was there, and is now as given.
    Replaced,
    /// The catalogue has as many as it can have.
    Full,
    /// There is no such application.
    NoApplication,
}

impl Store {
    /// The whole catalogue of an application, in the order of names.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn catalogue(
        &self,
        tenant_id: TenantId,
        application_id: ApplicationId,
    ) -> Result<Vec<CatalogueEntry>, StoreError> {
        let args = vec![Value::text(tenant_id), Value::text(application_id)];
        self.read(args, |args, tx| Box::pin(read_all(OF_APPLICATION, args, tx))).await
    }

    /// A page of the catalogues of all applications of the tenant, in the order of names.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn catalogues(
        &self,
        tenant_id: TenantId,
        page: CataloguePage,
    ) -> Result<Vec<CatalogueEntry>, StoreError> {
        let (name, application) = page
            .after
            .map_or_else(Default::default, |(name, application)| (name.to_string(), application.to_string()));
        let limit = Value::Int(i64::from(page.limit));
        let args = vec![Value::text(tenant_id), Value::Text(name), Value::Text(application), limit];
        self.read(args, |args, tx| Box::pin(read_all(PAGE, args, tx))).await
    }

    /// One entry.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn permission(
        &self,
        tenant_id: TenantId,
        application_id: ApplicationId,
        name: &PermissionName,
    ) -> Result<Option<CatalogueEntry>, StoreError> {
        let args = vec![Value::text(tenant_id), Value::text(application_id), Value::text(name)];
        Ok(self.read(args, |args, tx| Box::pin(read_all(ONE, args, tx))).await?.into_iter().next())
    }

    /// Puts an entry into its catalogue. `told` makes the audit entry from what was there before; without one there
    /// is nothing to change, and nothing is written.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn set_permission(
        &self,
        entry: CatalogueEntry,
        told: impl FnOnce(Option<&CatalogueEntry>) -> Option<AuditEntry> + Send + 'static,
    ) -> Result<SetPermission, StoreError> {
        self.write((values(&entry), Some(told)), |(values, told), tx| Box::pin(set(values, told, tx))).await
    }

    /// Takes an entry out of its catalogue, and tells the audit log; nothing happens, and the answer is no, when
    /// there is none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn delete_permission(
        &self,
        tenant_id: TenantId,
        application_id: ApplicationId,
        name: &PermissionName,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let which = [Value::text(tenant_id), Value::text(application_id), Value::text(name)];
        self.write((which, entry), |(which, entry), tx| Box::pin(delete(which, entry, tx))).await
    }
}

async fn read_all(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Vec<CatalogueEntry>, StoreError> {
    tx.query(sql, args).await?.into_iter().map(read).collect()
}

/// The application's lock keeps its catalogue from growing past its bound.
async fn set<F>(
    values: &[Value; 5],
    told: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<SetPermission, StoreError>
where
    F: FnOnce(Option<&CatalogueEntry>) -> Option<AuditEntry>,
{
    if tx.query_opt(LOCK, &values[..2]).await?.is_none() {
        return Ok(SetPermission::NoApplication);
    }
    let before = tx.query_opt(ONE, &values[..3]).await?.map(read).transpose()?;
    let (sql, done) = match before {
        Some(_) => (UPDATE, SetPermission::Replaced),
        None if entries(values, tx).await? >= MAX_ENTRIES as u64 => return Ok(SetPermission::Full),
        None => (INSERT, SetPermission::Added),
    };
    if let Some(entry) = take(told)?(before.as_ref()) {
        tell(&[(sql, values)], &entry, tx).await?;
    }
    Ok(done)
}

async fn entries(values: &[Value; 5], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let count = tx.query_opt(COUNT, &values[..2]).await?;
    Ok(count.map(|mut row| row.opt_count("entries")).transpose()?.flatten().unwrap_or(0))
}

async fn delete(which: &[Value; 3], entry: &AuditEntry, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if tx.execute(DELETE, which).await? == 0 {
        return Ok(false);
    }
    tell(&[], entry, tx).await?;
    Ok(true)
}

fn values(entry: &CatalogueEntry) -> [Value; 5] {
    [
        Value::text(entry.tenant_id),
        Value::text(entry.application_id),
        Value::text(&entry.name),
        Value::text(&entry.label),
        Value::opt_text(entry.description.as_ref()),
    ]
}

fn read(mut row: Row) -> Read<CatalogueEntry> {
    Ok(CatalogueEntry {
        tenant_id: row.parsed("tenant_id")?,
        application_id: row.parsed("application_id")?,
        name: row.parsed("name")?,
        label: row.parsed("label")?,
        description: row.opt_text("description")?,
    })
}
