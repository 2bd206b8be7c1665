//! Lists of keys.

use std::sync::LazyLock;

use keystile_core::{ApiKey, KeyId, TenantId};

use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Page, Store, StoreError, record};

/// The default list and the one with deleted keys, each without and with a tag: a partial index leads from one page to
/// the next, the index of tags to the few keys that have one.
static PAGES: LazyLock<[[String; 2]; 2]> = LazyLock::new(|| {
    ["AND deleted_at IS NULL", ""].map(|deleted| ["", KeyFilter::WITH_TAG].map(|tag| page(deleted, tag)))
});

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
        let args =
            (PAGES[usize::from(filter.include_deleted)][usize::from(filter.tag.is_some())].as_str(), values);
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }
}

async fn read_page(
    (sql, values): &(&'static str, Vec<Value>),
    tx: &mut Tx<'_>,
) -> Result<Vec<ApiKey>, StoreError> {
    tx.query(sql, values).await?.into_iter().map(record::read).collect()
}

fn page(deleted: &str, tag: &str) -> String {
    format!(
        "SELECT {} FROM api_keys WHERE tenant_id = $1 AND id < $2 {deleted} {tag} {} ORDER BY id DESC LIMIT $3",
        *record::SELECTED,
        KeyFilter::CONDITIONS
    )
}
