//! What applications need of keys, by method and path.

use keystile_core::route::Routed;
use keystile_core::{ApplicationId, AuditEntry, Routing, TenantId};

use crate::edit::Editable;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const UPDATE: &str =
    "UPDATE applications SET routing = $3, routing_version = $4 WHERE tenant_id = $1 AND id = $2";
const ONE: &str =
    "SELECT tenant_id, id, routing, routing_version FROM applications WHERE tenant_id = $1 AND id = $2";
const ONE_LOCKED: &str = "SELECT tenant_id, id, routing, routing_version FROM applications
    WHERE tenant_id = $1 AND id = $2 {for_update}";
const OF_APPLICATION: &str = "SELECT routing FROM applications WHERE id = $1 AND routing IS NOT NULL";

impl Store {
    /// The routing of an application of the tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn routing(
        &self,
        tenant_id: TenantId,
        id: ApplicationId,
    ) -> Result<Option<Routed>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(args, tx))).await
    }

    /// Changes the routing of an application of the tenant, as [`Self::change_tenant`] changes a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn change_routing<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        id: ApplicationId,
        change: impl FnOnce(&mut Routed) -> Result<Option<AuditEntry>, E> + Send + 'static,
    ) -> Result<Option<Result<Routed, E>>, StoreError> {
        self.edit(vec![Value::text(tenant_id), Value::text(id)], change).await
    }

    /// The routing of an application of any tenant, for verification; none for one that needs nothing.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn routing_of(&self, id: ApplicationId) -> Result<Option<Routing>, StoreError> {
        self.read([Value::text(id)], |args, tx| Box::pin(read_routing(args, tx))).await
    }
}

async fn read_one(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<Routed>, StoreError> {
    tx.query_opt(ONE, args).await?.map(Routed::read).transpose()
}

async fn read_routing(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Routing>, StoreError> {
    tx.query_opt(OF_APPLICATION, args).await?.map(|mut row| row.json("routing")).transpose()
}

impl Editable for Routed {
    const ONE_LOCKED: &str = ONE_LOCKED;
    const UPDATE: &str = UPDATE;

    fn read(mut row: Row) -> Read<Self> {
        let (tenant_id, application_id) = (row.parsed("tenant_id")?, row.parsed("id")?);
        let routing = row.opt_json("routing")?.unwrap_or(Routing::NONE);
        Ok(Self { tenant_id, application_id, routing, version: row.int("routing_version")? })
    }

    fn update_values(&self) -> Vec<Value> {
        let document = (!self.routing.is_empty()).then(|| serde_json::json!(self.routing));
        vec![
            Value::text(self.tenant_id),
            Value::text(self.application_id),
            Value::opt_text(document),
            self.version.into(),
        ]
    }
}
