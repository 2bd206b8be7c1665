//! Lists of keys.

mod statement;

use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};
use keystile_core::{ApiKey, KeyId, TenantId};

use crate::filter::Tagged;
use crate::page::MAX_LIMIT;
use crate::tx::Tx;
use crate::value::Value;
use crate::{KeyFilter, Page, Store, StoreError, record, tags};

pub(crate) use statement::{Listing, Look, Which};

/// So many keys are passed over by their names in the time in which the row of one is read.
const NAMES_FOR_A_ROW: u32 = 4;
/// So many rows are read one after the other in the time in which one is looked up by itself, as those are that names lead to.
const ROWS_FOR_A_NAMED_ROW: u32 = 2;

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
        self.read(which, |which, tx| Box::pin(read_page(which, tx))).await
    }

    /// The same, but looks at no more than `most` keys for it, so that it takes about as long for any filter; at four times as many
    /// where names alone have to be looked at, of which the rows of half of `most` are read at most. Those with a tag are found without
    /// looking at others, if no more than `most` have it.
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
        self.read_at_once((which, most), |(which, most), tx| Box::pin(look(which, *most, tx))).await
    }
}

async fn read_page(which: &Which, tx: &mut Tx<'_>) -> Result<Vec<ApiKey>, StoreError> {
    let Which { filter, page, .. } = which;
    if filter.tag.is_none() && filter.passes_over_names(page.sort) {
        return read(Listing::of_named(which, Tagged::OneByOne, &Look::ALL), tx).await;
    }
    read(Listing::of_page(which, Tagged::Together, None), tx).await
}

async fn look(which: &Which, most: u32, tx: &mut Tx<'_>) -> Result<KeysFound, StoreError> {
    let Which { filter, page, .. } = which;
    let tagged = if has_many_tagged(which, most, tx).await? { Tagged::OneByOne } else { Tagged::Together };
    let passes_over = match tagged {
        Tagged::Together => filter.passes_over() && filter.tag.is_none(),
        Tagged::OneByOne => true,
    };
    if !passes_over || most == 0 {
        let keys = read(Listing::of_page(which, tagged, None), tx).await?;
        return Ok(KeysFound { keys, looked_to: None });
    }
    let (look, listing) = if filter.passes_over_names(page.sort) {
        let look = look_by_names(which, most, tx).await?;
        let listing = Listing::of_named(which, tagged, &look);
        (look, listing)
    } else {
        let last = read_last(Listing::of_last(which, most), page.sort, tx).await?;
        let look = Look { most: most.into(), last };
        let listing = Listing::of_look(which, tagged, &look);
        (look, listing)
    };
    let keys = read(listing, tx).await?;
    let is_full = u32::try_from(keys.len()).is_ok_and(|found| found >= page.limit.min(MAX_LIMIT));
    Ok(KeysFound { keys, looked_to: look.last.filter(|_| !is_full) })
}

/// How far a look through names goes. If keys with such a name are asked for more, no more than some are looked up.
async fn look_by_names(which: &Which, most: u32, tx: &mut Tx<'_>) -> Result<Look, StoreError> {
    let (names, rows) = (most.saturating_mul(NAMES_FOR_A_ROW), most / ROWS_FOR_A_NAMED_ROW);
    let last = read_last(Listing::of_last(which, names), which.page.sort, tx).await?;
    let look = Look { most: names.into(), last };
    if !which.filter.passes_over_more_than_names() {
        return Ok(look);
    }
    let before = read_last(Listing::of_last_named(which, rows, &look), which.page.sort, tx).await?;
    Ok(Look { last: before.or(look.last), ..look })
}

async fn read_last(
    Listing { sql, values }: Listing,
    sort: KeySort,
    tx: &mut Tx<'_>,
) -> Result<Option<KeyCursor>, StoreError> {
    let key = tx.query_opt(&sql, &values).await?.map(record::read).transpose()?;
    Ok(key.map(|key| KeyCursor::of(&key, sort)))
}

async fn read(Listing { sql, values }: Listing, tx: &mut Tx<'_>) -> Result<Vec<ApiKey>, StoreError> {
    tx.query(&sql, &values).await?.into_iter().map(record::read).collect()
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
