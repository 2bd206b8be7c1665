//! Lists of keys.

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{ApiKey, KeyId, TenantId};

use crate::page::MAX_LIMIT;
use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Page, Store, StoreError, record};

/// A part of a list of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPage {
    /// By what the list is ordered. Lists with deleted keys are quick when that is when they were made, and only then.
    pub sort: KeySort,
    /// Which way round.
    pub order: SortOrder,
    /// The last key that was seen, of a list in the same order; `None` begins with the first.
    pub after: Option<KeyCursor>,
    /// How many keys to give, at most; held to 1,001.
    pub limit: u32,
}

/// Newest first.
impl From<Page<KeyId>> for KeyPage {
    fn from(page: Page<KeyId>) -> Self {
        let after = page.after.map(|id| KeyCursor { id, place: KeyPlace::Id });
        Self { sort: KeySort::Created, order: SortOrder::Descending, after, limit: page.limit }
    }
}

impl Store {
    /// A page of the tenant's keys. An index leads from one page to the next, or to the few keys that have a tag.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn keys(
        &self,
        tenant_id: TenantId,
        filter: &KeyFilter,
        page: impl Into<KeyPage>,
    ) -> Result<Vec<ApiKey>, StoreError> {
        let statement = Listing::new(tenant_id, filter, &page.into());
        self.read(statement, |statement, tx| Box::pin(read_page(statement, tx))).await
    }
}

async fn read_page(statement: &Listing, tx: &mut Tx<'_>) -> Result<Vec<ApiKey>, StoreError> {
    tx.query(&statement.sql, &statement.values).await?.into_iter().map(record::read).collect()
}

/// A statement and its values. There are a few hundred statements, so that they can be kept prepared: what most filters ask for is a
/// value, which may be null; only what an index is for, and the order, are spelled.
struct Listing {
    sql: String,
    values: Vec<Value>,
}

impl Listing {
    fn new(tenant_id: TenantId, filter: &KeyFilter, page: &KeyPage) -> Self {
        let limit = Value::Int(i64::from(page.limit.min(MAX_LIMIT)));
        let values = [Value::text(tenant_id), limit].into_iter().chain(filter.values()).collect();
        let deleted = if filter.include_deleted { "" } else { "AND deleted_at IS NULL" };
        let sql = format!(
            "SELECT {} FROM api_keys WHERE tenant_id = $1 {deleted} {}",
            *record::SELECTED,
            KeyFilter::CONDITIONS
        );
        let mut listing = Self { sql, values };
        filter.spell(&mut |condition, value| listing.also(condition, value));
        listing.go_on(page);
        listing
    }

    /// One more condition, with its value for each `{}`.
    fn also(&mut self, condition: &str, value: Value) {
        let place = self.place(value);
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace("{}", &place));
    }

    fn place(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Goes on behind the last page, in its order.
    fn go_on(&mut self, page: &KeyPage) {
        let (beyond, way) = match page.order {
            SortOrder::Ascending => (">", "ASC"),
            SortOrder::Descending => ("<", "DESC"),
        };
        let column = match page.sort {
            KeySort::Created => None,
            KeySort::Name => Some("name_search {by_bytes}"),
            KeySort::LastUsed => Some("used_order"),
            KeySort::Expires => Some("ends_order"),
        };
        if let Some(KeyCursor { id, place }) = &page.after {
            match column {
                None => self.also(&format!("id {beyond} {{}}"), Value::text(id)),
                Some(column) => {
                    let (place, id) = (self.place(value_of(place, page.sort)), self.place(Value::text(id)));
                    self.sql.push_str(&format!(" AND ({column}, id) {beyond} ({place}, {id})"));
                }
            }
        }
        let by = column.map_or_else(String::new, |column| format!("{column} {way}, "));
        self.sql.push_str(&format!(" ORDER BY {by}id {way} LIMIT $2"));
    }
}

/// A place as the column has it.
fn value_of(place: &KeyPlace, sort: KeySort) -> Value {
    match place {
        KeyPlace::Id => Value::Null,
        KeyPlace::Name(name) => Value::Text(record::fold(name.as_str())),
        KeyPlace::Moment(Some(moment)) => (*moment).into(),
        KeyPlace::Moment(None) => Value::Int(if sort == KeySort::Expires { i64::MAX } else { 0 }),
    }
}
