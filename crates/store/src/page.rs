//! A part of a list, newest first.

use crate::value::Value;

/// Most rows one page gives: a thousand, and one to see whether more follow.
pub(crate) const MAX_LIMIT: u32 = 1_001;

/// The number in a place of a statement, such as `$2`, as a bound behind an `ORDER BY`. PostgreSQL does not see it when it plans, and takes such a
/// bound for a tenth of all, so that reading in order is cheaper than sorting. One that it sees, and believes to be beyond all that
/// there is, makes it read and sort all: of a table that has just been filled it believes that few rows are anybody's.
macro_rules! unseen {
    ($place:literal) => {
        concat!("(SELECT CAST(", $place, " AS BIGINT))")
    };
}
pub(crate) use unseen;

/// The rows behind a given one. Lists run from the newest id to the oldest, so rows that are added while
/// somebody pages neither shift nor repeat the rows that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<Id> {
    /// The last row that was seen; `None` begins with the newest.
    pub after: Option<Id>,
    /// How many rows to give, at most; held to 1,001.
    pub limit: u32,
}

impl<Id: std::fmt::Display> Page<Id> {
    /// Rows have an id below this text. `~` sorts behind every id.
    pub(crate) fn below(&self) -> Value {
        self.after.as_ref().map_or_else(|| Value::text('~'), Value::text)
    }

    pub(crate) fn limit(&self) -> Value {
        Value::Int(i64::from(self.limit.min(MAX_LIMIT)))
    }
}
