//! Many rows by few statements.

use crate::StoreError;
use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;

/// How many rows one statement takes. A rest takes several, so that there are only as many to keep prepared.
const SIZES: [usize; 3] = [128, 16, 1];

/// One statement for any number of rows: its text for each of [`SIZES`].
pub(crate) struct Chunked([String; 3]);

impl Chunked {
    /// The statement that `text` writes for a number of rows, whose values follow each other as [`places`] has them.
    pub(crate) fn new(text: impl FnMut(usize) -> String) -> Self {
        Self(SIZES.map(text))
    }

    /// Runs it for all rows, in their order, and gives the rows that it returns.
    pub(crate) async fn run(&self, rows: Vec<Vec<Value>>, tx: &mut Tx<'_>) -> Result<Vec<Row>, StoreError> {
        let mut rest = rows.into_iter();
        let mut chunks: Vec<(&String, Vec<Value>)> = Vec::new();
        for (size, sql) in SIZES.iter().zip(&self.0) {
            while rest.len() >= *size {
                chunks.push((sql, rest.by_ref().take(*size).flatten().collect()));
            }
        }
        let statements: Vec<Statement<'_>> =
            chunks.iter().map(|(sql, values)| (sql.as_str(), values.as_slice())).collect();
        Ok(tx.pipeline(&statements).await?.into_iter().flatten().collect())
    }
}

/// Places for so many rows of so many values: `($1, $2), ($3, $4)`.
pub(crate) fn places(rows: usize, width: usize) -> String {
    places_as(rows, &vec![None; width])
}

/// The same, where a column may be cast: `(CAST($1 AS BIGINT), $2), …`. There is one cast, or none, for each column.
pub(crate) fn places_as(rows: usize, casts: &[Option<&str>]) -> String {
    let place = |(column, cast): (usize, &Option<&str>), row: usize| {
        let place = format!("${}", casts.len() * row + column + 1);
        cast.map_or_else(|| place.clone(), |cast| format!("CAST({place} AS {cast})"))
    };
    let row = |row: usize| {
        let columns: Vec<_> = casts.iter().enumerate().map(|column| place(column, row)).collect();
        format!("({})", columns.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_through_all_rows() {
        assert_eq!(places(2, 2), "($1, $2), ($3, $4)");
        let cast = places_as(2, &[None, Some("BIGINT")]);
        assert_eq!(cast, "($1, CAST($2 AS BIGINT)), ($3, CAST($4 AS BIGINT))");
    }
}
