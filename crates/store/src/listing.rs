//! Lists of keys.

use std::sync::LazyLock;

use keystile_core::{ApiKey, KeyId, TenantId};

use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Page, Store, StoreError, record};

/// The default list: a partial index leads from one page to the next.
static LISTED: LazyLock<String> = LazyLock::new(|| page("AND deleted_at IS NULL"));
static ALL: LazyLock<String> = LazyLock::new(|| page(""));

impl Store {
    /// A page of the tenant's keys, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn keys(
        &self,
        tenant_id: TenantId,
        filter: &KeyFilter,
        page: Page<KeyId>,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let mut values = vec![Value::text(tenant_id), page.below(), page.limit()];
        values.extend(filter.values());
        let args = (filter.include_deleted, values);
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn read_page(
    (include_deleted, values): &(bool, Vec<Value>),
    tx: &mut Tx<'_>,
) -> Result<Vec<ApiKey>, StoreError> {
    let sql = if *include_deleted { &*ALL } else { &*LISTED };
    tx.query(sql, values).await?.into_iter().map(record::read).collect()
}

fn page(condition: &str) -> String {
    format!(
        "SELECT {} FROM api_keys WHERE tenant_id = $1 AND id < $2 {condition} {} ORDER BY id DESC LIMIT $3",
        *record::SELECTED,
        KeyFilter::CONDITIONS
    )
}
