//! Customers, to whom keys can be restricted.

use keystile_core::{AuditEntry, Customer, CustomerId, TenantId};
use serde_json::json;

use crate::edit::{Editable, tell};
use crate::filter::containing;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, record};

const INSERT: &str = "INSERT INTO customers
    (tenant_id, id, name, name_search, external_id, metadata, created_at, archived_at, version, rpm_limit, rate_limits)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
const UPDATE: &str = "UPDATE customers SET name = $3, name_search = $4, external_id = $5, metadata = $6,
    created_at = $7, archived_at = $8, version = $9, rpm_limit = $10, rate_limits = $11 WHERE tenant_id = $1 AND id = $2";
const ONE: &str = "SELECT tenant_id, id, name, external_id, metadata, created_at, archived_at, version,
    rpm_limit, rate_limits FROM customers WHERE tenant_id = $1 AND id = $2";
const ONE_LOCKED: &str =
    "SELECT tenant_id, id, name, external_id, metadata, created_at, archived_at, version,
    rpm_limit, rate_limits FROM customers WHERE tenant_id = $1 AND id = $2 {for_update}";
const PAGE: &str = r"SELECT tenant_id, id, name, external_id, metadata, created_at, archived_at, version,
    rpm_limit, rate_limits FROM customers WHERE tenant_id = $1 AND id < $2
        AND (archived_at IS NULL OR CAST($4 AS {int}) = 1)
        AND (name_search LIKE $5 ESCAPE '\' OR $5 IS NULL)
        AND (external_id = $6 OR $6 IS NULL)
        AND (id = $7 OR $7 IS NULL)
    ORDER BY id DESC LIMIT $3";

/// Which customers a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct CustomerFilter {
    /// Has this anywhere in its name, in capitals or not.
    pub name_contains: Option<String>,
    /// Is called so by the tenant's own systems.
    pub external_id: Option<String>,
    /// Is this one.
    pub id: Option<CustomerId>,
    /// Whether those that are archived are shown, too.
    pub include_archived: bool,
}

impl Store {
    /// Adds a customer, and tells the audit log.
    ///
    /// # Errors
    /// `Conflict(ExternalId)` when the tenant has a customer with the same external id.
    pub async fn create_customer(&self, customer: Customer, entry: AuditEntry) -> Result<(), StoreError> {
        self.write((values(&customer), entry), |args, tx| Box::pin(create(args, tx))).await
    }

    /// One customer of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn customer(
        &self,
        tenant_id: TenantId,
        id: CustomerId,
    ) -> Result<Option<Customer>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(args, tx))).await
    }

    /// Changes a customer of the tenant, as [`Self::change_tenant`] changes a tenant.
    ///
    /// # Errors
    /// `Conflict(ExternalId)` when the tenant has another customer with that external id.
    pub async fn change_customer<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: CustomerId,
        change: impl FnOnce(&mut Customer) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Customer, E>>, StoreError> {
        self.edit(vec![Value::text(tenant_id), Value::text(id)], change).await
    }

    /// A page of the tenant's customers, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn customers(
        &self,
        tenant_id: TenantId,
        filter: &CustomerFilter,
        page: Page<CustomerId>,
    ) -> Result<Vec<Customer>, StoreError> {
        let args = [
            Value::text(tenant_id),
            page.below(),
            page.limit(),
            filter.include_archived.into(),
            Value::opt_text(filter.name_contains.as_deref().map(containing)),
            Value::opt_text(filter.external_id.as_ref()),
            Value::opt_text(filter.id),
        ];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn create((values, entry): &([Value; 11], AuditEntry), tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tell(&[(INSERT, values)], entry, tx).await
}

async fn read_one(which: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<Customer>, StoreError> {
    tx.query_opt(ONE, which).await?.map(Customer::read).transpose()
}

async fn read_page(args: &[Value; 7], tx: &mut Tx<'_>) -> Result<Vec<Customer>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(Customer::read).collect()
}

fn values(customer: &Customer) -> [Value; 11] {
    let [rpm_limit, rate_limits] = record::request_limits(&customer.limits);
    [
        Value::text(customer.tenant_id),
        Value::text(customer.id),
        Value::text(&customer.name),
        Value::Text(record::fold(customer.name.as_str())),
        Value::opt_text(customer.external_id.as_ref()),
        Value::json(&json!(customer.metadata)),
        customer.created_at.into(),
        customer.archived_at.into(),
        customer.version.into(),
        rpm_limit,
        rate_limits,
    ]
}

impl Editable for Customer {
    const ONE_LOCKED: &str = ONE_LOCKED;
    const UPDATE: &str = UPDATE;

    fn read(mut row: Row) -> Read<Self> {
        Ok(Self {
            tenant_id: row.parsed("tenant_id")?,
            id: row.parsed("id")?,
            name: row.parsed("name")?,
            external_id: row.opt_text("external_id")?,
            metadata: row.json("metadata")?,
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
