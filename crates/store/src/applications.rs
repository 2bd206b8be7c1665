//! Applications, to which keys are issued.

use keystile_core::{Application, ApplicationId, AuditEntry, TenantId};

use crate::edit::{Editable, tell};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, record};

pub(crate) const INSERT: &str = "INSERT INTO applications
    (tenant_id, id, name, description, created_at, archived_at, version, rpm_limit, rate_limits)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const UPDATE: &str = "UPDATE applications SET name = $3, description = $4, created_at = $5, archived_at = $6,
    version = $7, rpm_limit = $8, rate_limits = $9 WHERE tenant_id = $1 AND id = $2";
const ONE: &str =
    "SELECT tenant_id, id, name, description, created_at, archived_at, version, rpm_limit, rate_limits
    FROM applications
    WHERE tenant_id = $1 AND id = $2";
const ONE_LOCKED: &str =
    "SELECT tenant_id, id, name, description, created_at, archived_at, version, rpm_limit,
    rate_limits FROM applications WHERE tenant_id = $1 AND id = $2 {for_update}";
const PAGE: &str =
    "SELECT tenant_id, id, name, description, created_at, archived_at, version, rpm_limit, rate_limits
    FROM applications
    WHERE tenant_id = $1 AND id < $2 AND (archived_at IS NULL OR CAST($4 AS {int}) = 1) ORDER BY id DESC LIMIT $3";
const FIRST: &str = "SELECT tenant_id, id, name, description, created_at, archived_at, version, rpm_limit,
    rate_limits FROM applications WHERE tenant_id = $1 AND archived_at IS NULL ORDER BY id LIMIT 1";

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
        self.write((values(&application), entry), |args, tx| Box::pin(create(args, tx))).await
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

    /// Changes an application of the tenant, as [`Self::change_tenant`] changes a tenant.
    ///
    /// # Errors
    /// `Conflict(ApplicationName)` when the tenant has another of that name.
    pub async fn change_application<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: ApplicationId,
        change: impl FnOnce(&mut Application) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Application, E>>, StoreError> {
        self.edit(vec![Value::text(tenant_id), Value::text(id)], change).await
    }

    /// The tenant's oldest application that is not archived.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn first_application(&self, tenant_id: TenantId) -> Result<Option<Application>, StoreError> {
        self.read([Value::text(tenant_id)], |args, tx| Box::pin(read_one(FIRST, args, tx))).await
    }

    /// A page of the tenant's applications, newest first, with those that are archived or without.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn applications(
        &self,
        tenant_id: TenantId,
        include_archived: bool,
        page: Page<ApplicationId>,
    ) -> Result<Vec<Application>, StoreError> {
        let args = [Value::text(tenant_id), page.below(), page.limit(), include_archived.into()];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn create((values, entry): &([Value; 9], AuditEntry), tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tell(&[(INSERT, values)], entry, tx).await
}

async fn read_one(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Option<Application>, StoreError> {
    tx.query_opt(sql, args).await?.map(Application::read).transpose()
}

async fn read_page(args: &[Value; 4], tx: &mut Tx<'_>) -> Result<Vec<Application>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(Application::read).collect()
}

pub(crate) fn values(application: &Application) -> [Value; 9] {
    let [rpm_limit, rate_limits] = record::request_limits(&application.limits);
    [
        Value::text(application.tenant_id),
        Value::text(application.id),
        Value::text(&application.name),
        Value::opt_text(application.description.as_ref()),
        application.created_at.into(),
        application.archived_at.into(),
        application.version.into(),
        rpm_limit,
        rate_limits,
    ]
}

impl Editable for Application {
    const ONE_LOCKED: &str = ONE_LOCKED;
    const UPDATE: &str = UPDATE;

    fn read(mut row: Row) -> Read<Self> {
        Ok(Self {
            tenant_id: row.parsed("tenant_id")?,
            id: row.parsed("id")?,
            name: row.parsed("name")?,
            description: row.opt_text("description")?,
            created_at: row.time("created_at")?,
            archived_at: row.opt_time("archived_at")?,
            version: row.int("version")?,
            limits: record::read_request_limits(&mut row)?,
        })
    }

    fn update_values(&self) -> Vec<Value> {
        values(self).into()
    }
}
