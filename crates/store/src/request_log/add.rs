//! Requests are written down, many at a time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use keystile_core::{ApplicationId, LogRequests, LoggedRequest, TenantId};

use super::rows::{self, COLUMNS, WIDTH};
use crate::chunked::{Chunked, places};
use crate::row::Read;
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

static INSERT: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        let places = places(size, WIDTH);
        format!("INSERT INTO requests ({COLUMNS}) VALUES {places} ON CONFLICT (tenant_id, id) DO NOTHING")
    })
});

const WISH: &str = "SELECT id, log_requests FROM tenants WHERE id = $1";
const OWNER: &str = "SELECT id, tenant_id FROM applications WHERE id = $1";

impl Store {
    /// Writes requests of any tenants into their logs; those that are there already, by their ids, stay as they are.
    ///
    /// # Errors
    /// When the database is unavailable, or does not take one of them; none is written then.
    pub async fn add_requests(&self, requests: Arc<[LoggedRequest]>) -> Result<(), StoreError> {
        self.write_quietly(requests, |requests, tx| Box::pin(add(requests, tx))).await
    }

    /// Which requests these tenants want logged; those that do not exist are left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn log_wishes(
        &self,
        tenants: Vec<TenantId>,
    ) -> Result<HashMap<TenantId, LogRequests>, StoreError> {
        self.read(tenants, |tenants, tx| Box::pin(read_wishes(tenants, tx))).await
    }

    /// The tenants of these applications; those that do not exist are left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn tenants_of_applications(
        &self,
        applications: Vec<ApplicationId>,
    ) -> Result<HashMap<ApplicationId, TenantId>, StoreError> {
        self.read(applications, |applications, tx| Box::pin(read_owners(applications, tx))).await
    }
}

async fn add(requests: &Arc<[LoggedRequest]>, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let rows: Vec<_> = requests.iter().map(rows::values).collect();
    INSERT.write(rows, tx).await.map(drop)
}

async fn read_wishes(tenants: &[TenantId], tx: &mut Tx<'_>) -> Read<HashMap<TenantId, LogRequests>> {
    let sought: Vec<_> = tenants.iter().map(|tenant| [Value::text(tenant)]).collect();
    let statements: Vec<Statement<'_>> = sought.iter().map(|values| (WISH, values.as_slice())).collect();
    let found = tx.pipeline(&statements).await?;
    found.into_iter().flatten().map(|mut row| Ok((row.parsed("id")?, row.parsed("log_requests")?))).collect()
}

async fn read_owners(
    applications: &[ApplicationId],
    tx: &mut Tx<'_>,
) -> Read<HashMap<ApplicationId, TenantId>> {
    let sought: Vec<_> = applications.iter().map(|id| [Value::text(id)]).collect();
    let statements: Vec<Statement<'_>> = sought.iter().map(|values| (OWNER, values.as_slice())).collect();
    let found = tx.pipeline(&statements).await?;
    found.into_iter().flatten().map(|mut row| Ok((row.parsed("id")?, row.parsed("tenant_id")?))).collect()
}
