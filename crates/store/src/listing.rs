//! Lists of keys.

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{ApiKey, KeyId, TenantId};

use crate::filter::Tagged;
use crate::page::MAX_LIMIT;
use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Page, Store, StoreError, record, tags};

/// So many keys are passed over by their names, which an index has, in the time in which the row of one is read; on PostgreSQL, which
/// reads the row all the same, it takes twice as long.
const NAMES_FOR_A_ROW: u32 = 4;

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

/// What was found in a part of a list.
#[derive(Debug)]
pub struct KeysFound {
    /// The keys, in their order.
    pub keys: Vec<ApiKey>,
    /// Where to look on, if the part ended before the page was full: keys behind this one were not looked at.
    pub looked_to: Option<KeyCursor>,
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
        let which = Which { tenant_id, filter: filter.clone(), page: page.into() };
        self.read(which, |which, tx| Box::pin(read_page(which, Tagged::Together, None, tx))).await
    }

    /// The same, but looks at no more than `most` keys for it, so that it takes about as long for any filter; at four times as many
    /// where names alone have to be looked at. Those with a tag are found without looking at others, if no more than `most` have it.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn look_for_keys(
        &self,
        tenant_id: TenantId,
        filter: &KeyFilter,
        page: impl Into<KeyPage>,
        most: u32,
    ) -> Result<KeysFound, StoreError> {
        let which = Which { tenant_id, filter: filter.clone(), page: page.into() };
        self.read((which, most), |(which, most), tx| Box::pin(look(which, *most, tx))).await
    }
}

/// A page of a list.
pub(crate) struct Which {
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: KeyFilter,
    pub(crate) page: KeyPage,
}

/// The page, up to a key and with it.
async fn read_page(
    which: &Which,
    tagged: Tagged,
    last: Option<&KeyCursor>,
    tx: &mut Tx<'_>,
) -> Result<Vec<ApiKey>, StoreError> {
    let Listing { sql, values } = Listing::of_page(which, tagged, last);
    tx.query(&sql, &values).await?.into_iter().map(record::read).collect()
}

async fn look(which: &Which, most: u32, tx: &mut Tx<'_>) -> Result<KeysFound, StoreError> {
    let Which { filter, page, .. } = which;
    let tagged = if has_many_tagged(which, most, tx).await? { Tagged::OneByOne } else { Tagged::Together };
    let passes_over = match tagged {
        Tagged::Together => filter.passes_over() && filter.tag.is_none(),
        Tagged::OneByOne => true,
    };
    let mut last = None;
    if passes_over && most > 0 {
        let by_name = filter.passes_over_names(page.sort);
        let most = if by_name { most.saturating_mul(NAMES_FOR_A_ROW) } else { most };
        let Listing { sql, values } = Listing::of_last(which, most);
        let key = tx.query_opt(&sql, &values).await?.map(record::read).transpose()?;
        last = key.map(|key| KeyCursor::of(&key, page.sort));
    }
    let keys = read_page(which, tagged, last.as_ref(), tx).await?;
    let is_full = u32::try_from(keys.len()).is_ok_and(|found| found >= page.limit.min(MAX_LIMIT));
    Ok(KeysFound { keys, looked_to: last.filter(|_| !is_full) })
}

/// Whether the filter asks for a tag that more than `most` keys have.
async fn has_many_tagged(which: &Which, most: u32, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let Some(values) = which.tagged(most) else { return Ok(false) };
    Ok(tx.query_opt(tags::MORE, &values).await?.is_some())
}

impl Which {
    /// The values of [`tags::MORE`] for the tag that is asked for.
    pub(crate) fn tagged(&self, most: u32) -> Option<[Value; 3]> {
        let tag = self.filter.tag.as_ref()?;
        Some([Value::text(self.tenant_id), tags::digest(tag).into(), Value::Int(most.into())])
    }
}

/// A statement and its values. There are about a thousand statements, of which a few are asked, so that they can be kept prepared: what
/// most filters ask for is a value, which may be null; only what an index is for, and the order, are spelled.
pub(crate) struct Listing {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl Listing {
    /// The keys of a page, up to a key and with it.
    pub(crate) fn of_page(
        Which { tenant_id, filter, page }: &Which,
        tagged: Tagged,
        last: Option<&KeyCursor>,
    ) -> Self {
        let limit = Value::Int(i64::from(page.limit.min(MAX_LIMIT)));
        let values = [Value::text(tenant_id), limit].into_iter().chain(filter.values()).collect();
        let sql = format!(
            "SELECT {} FROM api_keys WHERE tenant_id = $1 {} {}",
            *record::SELECTED,
            kept(filter),
            KeyFilter::CONDITIONS
        );
        let mut listing = Self { sql, values };
        filter.spell(page.sort, tagged, &mut |condition, value| listing.also(condition, value));
        if let Some(last) = last {
            let not_behind = if page.order == SortOrder::Ascending { "<=" } else { ">=" };
            listing.bound(page.sort, not_behind, last);
        }
        listing.go_on(page);
        listing.sql.push_str(" LIMIT $2");
        listing
    }

    /// How many keys there are up to one and with it, in a list by when they were made.
    pub(crate) fn of_count(Which { tenant_id, filter, page: _ }: &Which, last: &KeyCursor) -> Self {
        let all = Value::Int(i64::MAX);
        let values = [Value::text(tenant_id), all].into_iter().chain(filter.values()).collect();
        let sql = format!(
            "SELECT COUNT(*) AS keys FROM (SELECT id FROM api_keys WHERE tenant_id = $1 {} {}",
            kept(filter),
            KeyFilter::CONDITIONS
        );
        let mut listing = Self { sql, values };
        filter.spell(KeySort::Created, Tagged::Together, &mut |condition, value| {
            listing.also(condition, value);
        });
        listing.bound(KeySort::Created, "<=", last);
        listing.sql.push_str(" LIMIT $2) AS found");
        listing
    }

    /// The last of the first `most` keys of a page, whatever its filter passes over, if there are so many. The inner statement is answered by an index alone.
    pub(crate) fn of_last(Which { tenant_id, filter, page }: &Which, most: u32) -> Self {
        let values = vec![Value::text(tenant_id), Value::Int(i64::from(most) - 1)];
        let sql = format!(
            "SELECT {} FROM api_keys WHERE tenant_id = $1 AND id = (SELECT id FROM api_keys WHERE tenant_id = $1 {}",
            *record::SELECTED,
            kept(filter)
        );
        let mut listing = Self { sql, values };
        filter.lead(page.sort, &mut |condition, value| listing.also(condition, value));
        listing.go_on(page);
        listing.sql.push_str(" LIMIT 1 OFFSET $2)");
        listing
    }

    /// One more condition, with its value, if it has one, for each `{}`.
    fn also(&mut self, condition: &str, value: Option<Value>) {
        let place = value.map(|value| self.place(value));
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace("{}", place.as_deref().unwrap_or_default()));
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
        if let Some(after) = &page.after {
            self.bound(page.sort, beyond, after);
        }
        let by = column(page.sort).map_or_else(String::new, |column| format!("{column} {way}, "));
        self.sql.push_str(&format!(" ORDER BY {by}id {way}"));
    }

    /// Only what stands so to a key in this order.
    fn bound(&mut self, sort: KeySort, relation: &str, KeyCursor { id, place }: &KeyCursor) {
        match column(sort) {
            None => self.also(&format!("id {relation} {{}}"), Some(Value::text(id))),
            Some(column) => {
                let (place, id) = (self.place(value_of(place, sort)), self.place(Value::text(id)));
                self.sql.push_str(&format!(" AND ({column}, id) {relation} ({place}, {id})"));
            }
        }
    }
}

/// Whether deleted keys are in the list.
const fn kept(filter: &KeyFilter) -> &'static str {
    if filter.include_deleted { "" } else { "AND deleted_at IS NULL" }
}

/// What a list is ordered by before the id.
const fn column(sort: KeySort) -> Option<&'static str> {
    match sort {
        KeySort::Created => None,
        KeySort::Name => Some("name_search {by_bytes}"),
        KeySort::LastUsed => Some("used_order"),
        KeySort::Expires => Some("ends_order"),
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
