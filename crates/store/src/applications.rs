//! Applications, to which keys are issued.

use keystile_core::{Application, ApplicationId, AuditEntry, TenantId};

use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, audit};

pub(crate) const INSERT: &str =
    "INSERT INTO applications (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)";
const ONE: &str = "SELECT id, tenant_id, name, created_at FROM applications WHERE tenant_id = $1 AND id = $2";
const PAGE: &str = "SELECT id, tenant_id, name, created_at FROM applications
    WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
const FIRST: &str = "SELECT id, tenant_id, name, created_at FROM applications
    WHERE tenant_id = $1 ORDER BY id LIMIT 1";

impl Store {
    /// Adds an application, and tells the audit log.
    ///
    /// # Errors
    /// `Conflict(ApplicationName)` when the tenant has one of that name.
    pub async fn create_application(
        &self,
        application: Application,
        entry: AuditEntry,
    ) -> Result<(), StoreError> {
        let args = (values(&application), audit::values(&entry));
        self.write(args, |args, tx| Box::pin(create(args, tx))).await
    }

    /// One application of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn application(
        &self,
        tenant_id: TenantId,
        id: ApplicationId,
    ) -> Result<Option<Application>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(ONE, args, tx))).await
    }

    /// The tenant's oldest application.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn first_application(&self, tenant_id: TenantId) -> Result<Option<Application>, StoreError> {
        self.read([Value::text(tenant_id)], |args, tx| Box::pin(read_one(FIRST, args, tx))).await
    }

    /// A page of the tenant's applications, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn applications(
        &self,
        tenant_id: TenantId,
        page: Page<ApplicationId>,
    ) -> Result<Vec<Application>, StoreError> {
        let args = [Value::text(tenant_id), page.below(), page.limit()];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn create(args: &([Value; 4], [Value; 9]), tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.pipeline(&[(INSERT, &args.0), (audit::INSERT, &args.1)]).await.map(drop)
}

async fn read_one(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Option<Application>, StoreError> {
    tx.query_opt(sql, args).await?.map(read).transpose()
}

async fn read_page(args: &[Value; 3], tx: &mut Tx<'_>) -> Result<Vec<Application>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(read).collect()
}

pub(crate) fn values(application: &Application) -> [Value; 4] {
    [
        Value::text(application.id),
        Value::text(application.tenant_id),
        Value::text(&application.name),
        application.created_at.into(),
    ]
}

fn read(mut row: Row) -> Read<Application> {
    Ok(Application {
        id: row.parsed("id")?,
        tenant_id: row.parsed("tenant_id")?,
        name: row.parsed("name")?,
        created_at: row.time("created_at")?,
    })
}
