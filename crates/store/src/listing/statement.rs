//! The statements of lists of keys.

use keystile_core::TenantId;
use keystile_core::key::{KeyCursor, KeyPlace, KeySort, SortOrder};

use super::KeyPage;
use crate::filter::Tagged;
use crate::page::{MAX_LIMIT, unseen};
use crate::value::Value;
use crate::{KeyFilter, record};

/// A page of a list.
pub(crate) struct Which {
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: KeyFilter,
    pub(crate) page: KeyPage,
}

/// A statement and its values. There are about a thousand statements, of which a few are asked, so that they can be kept prepared: what
/// most filters ask for is a value, which may be null; only what an index is for, and the order, are spelled.
pub(crate) struct Listing {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

/// A part of a list, as it is at one moment.
pub(crate) struct Look {
    /// How many keys it has at most.
    pub(crate) most: i64,
    /// The last of them, if there are so many.
    pub(crate) last: Option<KeyCursor>,
}

/// By what keys are told apart, and by what they are ordered before it.
type Columns = (&'static str, Option<&'static str>);

/// In what a list is looked through.
#[derive(Clone, Copy)]
enum Rows {
    Keys,
    /// The names of keys, which are not deleted.
    Names,
}

impl Listing {
    /// The keys of a page, up to a key and with it. The engine may take any way to them that it thinks is the shortest.
    pub(crate) fn of_page(which: &Which, tagged: Tagged, last: Option<&KeyCursor>) -> Self {
        let Which { filter, page, .. } = which;
        let mut listing = Self::selected(which, "api_keys WHERE tenant_id = $1 ", kept(filter));
        listing.sql.push_str(KeyFilter::CONDITIONS);
        filter.spell(page.sort, tagged, &mut |condition, value| listing.also(condition, value));
        listing.up_to(page, ("id", column(page.sort, Rows::Keys)), last);
        listing.behind_last_page(page, Rows::Keys);
        listing.sql.push_str(&order(page, Rows::Keys));
        listing.sql.push_str(" LIMIT $2");
        listing
    }

    /// The keys of a page that are among the first of `look`, which are looked at in the order of the list until the page is full.
    pub(crate) fn of_look(which: &Which, tagged: Tagged, look: &Look) -> Self {
        let Which { filter, page, .. } = which;
        let mut listing =
            Self::selected(which, "(SELECT * FROM api_keys WHERE tenant_id = $1 ", kept(filter));
        filter.lead(page.sort, &mut |condition, value| listing.also(condition, value));
        listing.behind_last_page(page, Rows::Keys);
        let order = order(page, Rows::Keys);
        listing.sql.push_str(&format!("{order} {}) AS api_keys WHERE tenant_id = $1", look.first()));
        listing.up_to(page, ("id", column(page.sort, Rows::Keys)), look.last.as_ref());
        listing.sql.push_str(KeyFilter::CONDITIONS);
        filter.spell_rest(tagged, &mut |condition, value| listing.also(condition, value));
        listing.sql.push_str(&format!("{order} LIMIT $2"));
        listing
    }

    /// The same for a filter that is about names: all of these names are looked at, and of the keys those that have such a one.
    pub(crate) fn of_named(which: &Which, tagged: Tagged, look: &Look) -> Self {
        let Which { filter, page, .. } = which;
        let named_as = if page.sort == KeySort::Name { Some("named_as") } else { None };
        let every = names(page.sort);
        let from = format!(
            "(SELECT id AS named_id, name_search AS named_as FROM {every} AS every WHERE tenant_id = $1"
        );
        let mut listing = Self::selected(which, &from, "");
        listing.behind_last_page(page, Rows::Names);
        listing.sql.push_str(&format!(
            "{} {}) AS named CROSS JOIN {{named_key}}
                WHERE tenant_id = $1 AND id = named_id AND named_as LIKE $3 ESCAPE '\\'",
            order(page, Rows::Names),
            look.first()
        ));
        listing.up_to(page, ("named_id", named_as), look.last.as_ref());
        listing.sql.push_str(KeyFilter::CONDITIONS);
        filter.spell_rest(tagged, &mut |condition, value| listing.also(condition, value));
        listing.sql.push_str(&format!("{} LIMIT $2", ordered_by(page, ("named_id", named_as))));
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
        listing.bound(("id", None), KeySort::Created, "<=", last);
        listing.sql.push_str(" LIMIT $2) AS found");
        listing
    }

    /// The last of the first `most` keys of a page, whatever its filter passes over, if there are so many. An index alone leads to it, or names.
    pub(crate) fn of_last(Which { tenant_id, filter, page }: &Which, most: u32) -> Self {
        if filter.goes_through_names(page.sort) {
            let every = format!("{} AS every WHERE tenant_id = $1", names(page.sort));
            let mut listing = Self::one_of(*tenant_id, &every, most);
            listing.behind_last_page(page, Rows::Names);
            return listing.behind_most(page, Rows::Names);
        }
        let mut listing = Self::one_of(*tenant_id, "api_keys WHERE tenant_id = $1 ", most);
        listing.sql.push_str(kept(filter));
        filter.lead(page.sort, &mut |condition, value| listing.also(condition, value));
        listing.behind_last_page(page, Rows::Keys);
        listing.behind_most(page, Rows::Keys)
    }

    /// The last of the first `most` keys that have such a name and are among the first of `look`, if there are so many.
    pub(crate) fn of_last_named(which: &Which, most: u32, look: &Look) -> Self {
        let Which { tenant_id, filter, page } = which;
        let every = names(page.sort);
        let from = format!("(SELECT id, name_search FROM {every} AS every WHERE tenant_id = $1");
        let mut listing = Self::one_of(*tenant_id, &from, most);
        listing.behind_last_page(page, Rows::Names);
        let order = order(page, Rows::Names);
        listing.sql.push_str(&format!("{order} {}) AS looked_at WHERE TRUE", look.first()));
        listing.up_to(page, ("id", column(page.sort, Rows::Names)), look.last.as_ref());
        listing.also(r"name_search LIKE {} ESCAPE '\'", Some(filter.name_pattern()));
        listing.behind_most(page, Rows::Names)
    }

    /// Keys of the tenant in `$1`, at most as many as a page takes in `$2`, and the values of the filter.
    fn selected(Which { tenant_id, filter, page }: &Which, from: &str, kept: &str) -> Self {
        let limit = Value::Int(i64::from(page.limit.min(MAX_LIMIT)));
        let values = [Value::text(tenant_id), limit].into_iter().chain(filter.values()).collect();
        Self { sql: format!("SELECT {} FROM {from}{kept}", *record::SELECTED), values }
    }

    /// The key that stands last of `most` there, up to what leads to it.
    fn one_of(tenant_id: TenantId, there: &str, most: u32) -> Self {
        let values = vec![Value::text(tenant_id), Value::Int(i64::from(most.max(1)) - 1)];
        let sql = format!(
            "SELECT {} FROM api_keys WHERE tenant_id = $1 AND id = (SELECT id FROM {there}",
            *record::SELECTED
        );
        Self { sql, values }
    }

    /// The rest of [`Self::one_of`].
    fn behind_most(mut self, page: &KeyPage, rows: Rows) -> Self {
        self.sql.push_str(&format!("{} LIMIT 1 OFFSET {})", order(page, rows), unseen!("$2")));
        self
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

    /// Behind the last page, in its order.
    fn behind_last_page(&mut self, page: &KeyPage, rows: Rows) {
        if let Some(after) = &page.after {
            let (beyond, _) = directions(page.order);
            self.bound(("id", column(page.sort, rows)), page.sort, beyond, after);
        }
    }

    /// No further than a key, and with it.
    fn up_to(&mut self, page: &KeyPage, columns: Columns, last: Option<&KeyCursor>) {
        if let Some(last) = last {
            let not_behind = if page.order == SortOrder::Ascending { "<=" } else { ">=" };
            self.bound(columns, page.sort, not_behind, last);
        }
    }

    /// Only what stands so to a key in this order.
    fn bound(&mut self, (id, column): Columns, sort: KeySort, relation: &str, key: &KeyCursor) {
        match column {
            None => self.also(&format!("{id} {relation} {{}}"), Some(Value::text(key.id))),
            Some(column) => {
                let (place, key) = (self.place(value_of(&key.place, sort)), self.place(Value::text(key.id)));
                self.sql.push_str(&format!(" AND ({column}, {id}) {relation} ({place}, {key})"));
            }
        }
    }
}

impl Look {
    /// At all keys there are.
    pub(crate) const ALL: Self = Self { most: i64::MAX, last: None };

    fn first(&self) -> String {
        format!("{{first}}{}{{of_them}}", self.most)
    }
}

/// Where the names of keys are, for a list in this order.
const fn names(sort: KeySort) -> &'static str {
    match sort {
        KeySort::Name => "{sorted_key_names}",
        KeySort::Created | KeySort::LastUsed | KeySort::Expires => "{key_names}",
    }
}

/// The order of a page.
fn order(page: &KeyPage, rows: Rows) -> String {
    ordered_by(page, ("id", column(page.sort, rows)))
}

fn ordered_by(page: &KeyPage, (id, column): Columns) -> String {
    let (_, way) = directions(page.order);
    let by = column.map_or_else(String::new, |column| format!("{column} {way}, "));
    format!(" ORDER BY {by}{id} {way}")
}

/// What stands behind a key, and how it is ordered so.
const fn directions(order: SortOrder) -> (&'static str, &'static str) {
    match order {
        SortOrder::Ascending => (">", "ASC"),
        SortOrder::Descending => ("<", "DESC"),
    }
}

/// Whether deleted keys are in the list.
const fn kept(filter: &KeyFilter) -> &'static str {
    if filter.include_deleted { "" } else { "AND deleted_at IS NULL" }
}

/// What a list is ordered by before the id.
const fn column(sort: KeySort, rows: Rows) -> Option<&'static str> {
    match (sort, rows) {
        (KeySort::Created, _) => None,
        (KeySort::Name, Rows::Keys) => Some("name_search {by_bytes}"),
        (KeySort::Name, Rows::Names) => Some("name_search"),
        (KeySort::LastUsed, _) => Some("used_order"),
        (KeySort::Expires, _) => Some("ends_order"),
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
