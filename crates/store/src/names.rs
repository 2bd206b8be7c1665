//! What people call things, of which only the ids are at hand.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use keystile_core::TenantId;

use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// How many ids one statement asks for. Fewer are filled up with repeats, so that there is one statement to keep prepared.
const ASKED: usize = 64;

static STATEMENT: LazyLock<String> = LazyLock::new(|| {
    let mut places = "$2".to_owned();
    for place in 3..ASKED + 2 {
        // Writing to a text cannot fail.
        let _written = write!(places, ", ${place}");
    }
    let named = |table: &str, column: &str| {
        format!("SELECT id, {column} AS name FROM {table} WHERE tenant_id = $1 AND id IN ({places})")
    };
    [
        named("api_keys", "name"),
        named("applications", "name"),
        named("customers", "name"),
        named("invitations", "email"),
        format!("SELECT id, email AS name FROM persons WHERE id IN ({places})"),
        format!("SELECT id, name FROM tenants WHERE id = $1 AND id IN ({places})"),
    ]
    .join(" UNION ALL ")
});

impl Store {
    /// What the tenant's keys, applications, customers and invitations with these ids are called, those that are deleted or
    /// archived, too, and the addresses of persons. Ids of nothing, or of another tenant's, are left out. Persons belong to no
    /// tenant: whoever asks must have their ids from what the tenant may see.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn names(
        &self,
        tenant_id: TenantId,
        ids: Vec<String>,
    ) -> Result<HashMap<String, String>, StoreError> {
        self.read((tenant_id, ids), |(tenant_id, ids), tx| Box::pin(find(*tenant_id, ids, tx))).await
    }
}

async fn find(
    tenant_id: TenantId,
    ids: &[String],
    tx: &mut Tx<'_>,
) -> Result<HashMap<String, String>, StoreError> {
    let mut names = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(ASKED) {
        let repeats = chunk.first().into_iter().cycle().take(ASKED - chunk.len());
        let asked = chunk.iter().chain(repeats).map(Value::text);
        let values: Vec<Value> = std::iter::once(Value::text(tenant_id)).chain(asked).collect();
        for mut row in tx.query(&STATEMENT, &values).await? {
            names.insert(row.text("id")?, row.text("name")?);
        }
    }
    Ok(names)
}
