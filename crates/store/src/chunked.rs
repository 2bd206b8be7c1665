//! Many rows by few statements.

use crate::StoreError;
use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;

/// How many rows one statement takes. A rest takes several, so that there are only as many to keep prepared.
const SIZES: [usize; 3] = [128, 16, 1];

/// One statement for any number of rows: its text for each of [`SIZES`]. What it does for a row does not depend on the others.
pub(crate) struct Chunked([String; 3]);

/// The values of rows that one statement takes.
struct Chunk<'c> {
    sql: &'c str,
    rows: usize,
    values: Vec<Value>,
}

impl Chunked {
    /// The statement that `text` writes for a number of rows, whose values follow each other as [`places`] has them.
    pub(crate) fn new(text: impl FnMut(usize) -> String) -> Self {
        Self(SIZES.map(text))
    }

    /// Runs it for all rows, in their order, and gives the rows that it returns.
    pub(crate) async fn run(&self, rows: Vec<Vec<Value>>, tx: &mut Tx<'_>) -> Result<Vec<Row>, StoreError> {
        let chunks = self.chunks(rows, tx);
        Ok(tx.pipeline(&statements(&chunks)).await?.into_iter().flatten().collect())
    }

    /// Runs one that returns no rows, and tells of each row that was given whether it is sure to be written. Where the statement leaves some of its rows out,
    /// it is not said of any of them.
    pub(crate) async fn write(
        &self,
        rows: Vec<Vec<Value>>,
        tx: &mut Tx<'_>,
    ) -> Result<Vec<bool>, StoreError> {
        let chunks = self.chunks(rows, tx);
        let touched = tx.execute_all(&statements(&chunks)).await?;
        let is_whole = |(chunk, touched): (&Chunk<'_>, u64)| (touched == chunk.rows as u64, chunk.rows);
        let chunks = chunks.iter().zip(touched).map(is_whole);
        Ok(chunks.flat_map(|(is_whole, rows)| std::iter::repeat_n(is_whole, rows)).collect())
    }

    fn chunks(&self, rows: Vec<Vec<Value>>, tx: &Tx<'_>) -> Vec<Chunk<'_>> {
        let mut rest = rows.into_iter();
        let mut chunks = Vec::new();
        for (size, sql) in SIZES.into_iter().zip(&self.0) {
            if size == 1 {
                chunks.extend(rest.by_ref().map(|values| Chunk { sql, rows: 1, values }));
            }
            while tx.prefers_many_rows() && rest.len() >= size {
                let values = rest.by_ref().take(size).flatten().collect();
                chunks.push(Chunk { sql, rows: size, values });
            }
        }
        chunks
    }
}

fn statements<'c>(chunks: &'c [Chunk<'_>]) -> Vec<Statement<'c>> {
    chunks.iter().map(|chunk| (chunk.sql, chunk.values.as_slice())).collect()
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
