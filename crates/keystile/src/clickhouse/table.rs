//! The table in ClickHouse: what it is called, which columns it has, and how it is made.

use std::fmt;
use std::str::FromStr;

use keystile_core::Invalid;
use serde::Deserialize;

/// The columns that are written, with their types: everything that the log knows of a request. What is not known of one is an empty
/// text, or null where it would be a number.
pub(super) const COLUMNS: [(&str, &str); 20] = [
    ("id", "String"),
    ("tenant_id", "LowCardinality(String)"),
    ("at", "DateTime64(3, 'UTC')"),
    ("face", "LowCardinality(String)"),
    ("environment", "LowCardinality(String)"),
    ("application_id", "LowCardinality(String)"),
    ("customer_id", "String"),
    ("key_id", "String"),
    ("asked_by", "String"),
    ("person", "String"),
    ("method", "LowCardinality(String)"),
    ("path", "String"),
    ("ip", "String"),
    ("user_agent", "String"),
    ("code", "LowCardinality(String)"),
    ("status", "Nullable(UInt16)"),
    ("duration_micros", "Nullable(UInt32)"),
    ("bytes_in", "Nullable(UInt64)"),
    ("bytes_out", "Nullable(UInt64)"),
    ("request_id", "String"),
];

/// Inserts whose tokens ClickHouse remembers: several minutes of them, far longer than one is tried again at short intervals.
const INSERTS_REMEMBERED: u32 = 1_000;
/// Longest name of a database or table.
const NAME_MAX: usize = 64;

/// The name of a database or a table: a word that needs no care in any statement.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

/// A table in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// The database; it has to be there.
    pub(crate) database: Name,
    /// The table.
    pub(crate) name: Name,
}

impl FromStr for Name {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_good = text.bytes().all(is_of_word)
            && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
            && text.len() <= NAME_MAX;
        let rule = "must be 1 to 64 letters, digits and `_`, and not begin with a digit";
        if is_good { Ok(Self(text.to_owned())) } else { Err(Invalid::rule(rule)) }
    }
}

impl TryFrom<String> for Name {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

/// As statements name it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`.`{}`", self.database.0, self.name.0)
    }
}

impl Table {
    /// The table of this name; what is not named has the usual name.
    pub(crate) fn named(database: Option<&Name>, name: Option<&Name>) -> Self {
        let or = |name: Option<&Name>, usual: &str| name.cloned().unwrap_or_else(|| Name(usual.to_owned()));
        Self { database: or(database, "default"), name: or(name, "keystile_requests") }
    }

    /// The statement that rows of JSON follow. It names its columns, so that further ones do not matter.
    pub(super) fn insert(&self) -> String {
        let columns = COLUMNS.map(|(name, _)| name).join(", ");
        format!("INSERT INTO {self} ({columns}) FORMAT JSONEachRow")
    }

    /// The statement that makes it. Rows are kept for `keep_days` unless their column of that name says otherwise.
    pub(super) fn create(&self, keep_days: u16) -> String {
        let columns = COLUMNS.map(|(name, kind)| format!("    {name} {kind},\n")).concat();
        format!(
            "CREATE TABLE IF NOT EXISTS {self}\n(\n{columns}    keep_days UInt16 DEFAULT {keep_days},\n    \
             INDEX of_key key_id TYPE bloom_filter(0.01) GRANULARITY 4\n)\n\
             ENGINE = MergeTree\n\
             PARTITION BY toYYYYMM(at)\n\
             ORDER BY (tenant_id, at, id)\n\
             TTL toDateTime(at) + toIntervalDay(keep_days)\n\
             SETTINGS non_replicated_deduplication_window = {INSERTS_REMEMBERED}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_that_no_statement_can_take_for_something_else() {
        for good in ["default", "_logs", "Keystile2", &"x".repeat(NAME_MAX)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "2x", "a.b", "a`b", "a b", "ä", "a;b", &"x".repeat(NAME_MAX + 1)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_table_is_made_with_every_column_that_is_written() {
        let database = "logs".parse().unwrap();
        let table = Table::named(Some(&database), None);
        let (made, written) = (table.create(90), table.insert());
        let name = "`logs`.`keystile_requests`";
        assert!(made.starts_with(&format!("CREATE TABLE IF NOT EXISTS {name}\n(\n    id String,\n")));
        assert!(made.contains("    keep_days UInt16 DEFAULT 90,\n    INDEX of_key key_id"), "{made}");
        assert!(written.starts_with(&format!("INSERT INTO {name} (id, tenant_id, at, face,")));
        assert!(written.ends_with(" bytes_out, request_id) FORMAT JSONEachRow"), "{written}");
        for (name, kind) in COLUMNS {
            assert!(made.contains(&format!("\n    {name} {kind},\n")), "{name}: {made}");
        }
    }
}
