//! The few words in our SQL that the engines spell differently.
//!
//! | word | SQLite | PostgreSQL |
//! |---|---|---|
//! | `$1` | `?1` | `$1` |
//! | `{id}`: a text compared byte by byte | `TEXT` | `TEXT COLLATE "C"` |
//! | `{int}` | `INTEGER` | `BIGINT` |
//! | `{blob}` | `BLOB` | `BYTEA` |
//! | `{strict}`: after a table's columns | `STRICT` | |
//! | `{clustered}`: the same, where rows lie in the order of their primary key | `STRICT, WITHOUT ROWID` | |
//! | `{derived}`: how a column is kept that follows from others | `VIRTUAL` | `STORED` |
//! | `{by_bytes}`: behind a text, to order it so | | `COLLATE "C"` |
//! | `{aside}`: before a column that is not to choose the index | `+` | |
//! | `{for_update}`: locks the rows that are read | | `FOR UPDATE` |
//! | `{for_share}`: keeps them from being changed | | `FOR SHARE` |
//! | `{skip_locked}`: behind it, passes over rows that others have locked | | `SKIP LOCKED` |
//! | `{key_names}`: the keys that are not deleted and their names, as `tenant_id`, `id` and `name_search` | an index of `api_keys` | a table of its own |
//! | `{sorted_key_names}`: the same, for the order of the names | another index | the same table |
//! | `{named_key}`: behind `CROSS JOIN`, the key of each of these that `named` gives as `named_id` | `api_keys` | `LATERAL …`, which is asked for one by one |
//! | `{first}` and `{of_them}`: around a number behind the `ORDER BY` of a part, of which no more rows are read, in this order | a comment, as a bound does the same | `LIMIT`, with a number that it does not see when it plans |
//! | `{tables}`: the names of the tables | `sqlite_schema` | `pg_tables` |
//! | `{columns}`: the names of their columns that are written, not derived, each with its place | `pragma_table_xinfo` | `information_schema` |

use std::borrow::Cow;

/// A word and what stands for it.
pub(crate) type Words = [(&'static str, &'static str)];

/// Puts an engine's own words in. SQL holds neither such a word nor `$` for any other purpose.
pub(crate) fn translate<'s>(sql: &'s str, words: &Words) -> Cow<'s, str> {
    // Long statements of many rows have places and nothing else to put in.
    let has_words = sql.contains('{');
    let sought = words.iter().filter(|(word, _)| has_words || !word.starts_with('{'));
    sought.fold(
        Cow::Borrowed(sql),
        |sql, (word, own)| {
            if sql.contains(word) { Cow::Owned(sql.replace(word, own)) } else { sql }
        },
    )
}
