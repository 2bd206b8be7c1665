//! Statements about many rows at once. There are few lengths of them, so that they can be kept prepared.

use keystile_core::event::EntityName;
use keystile_core::{Digest, EventId};

use crate::StoreError;
use crate::row::Row;
use crate::tx::{Statement, Tx};
use crate::value::Value;

/// How many rows one statement is about. A rest takes several.
pub(super) const SIZES: [usize; 3] = [128, 16, 1];

/// Runs a statement for each of [`SIZES`] as often as the rows need it, and gives all that is found.
pub(super) async fn run(
    statements: &[String; 3],
    rows: &[Vec<Value>],
    tx: &mut Tx<'_>,
) -> Result<Vec<Row>, StoreError> {
    let mut rest = rows;
    let mut chunks = Vec::new();
    for (size, sql) in SIZES.iter().zip(statements) {
        while let Some((chunk, others)) = rest.split_at_checked(*size) {
            chunks.push((sql, chunk.concat()));
            rest = others;
        }
    }
    let batch: Vec<Statement<'_>> =
        chunks.iter().map(|(sql, values)| (sql.as_str(), values.as_slice())).collect();
    Ok(tx.pipeline(&batch).await?.into_iter().flatten().collect())
}

/// `($1, $2), ($3, $4), …`, where a column may be cast: `CAST($1 AS BIGINT)`.
pub(super) fn places(size: usize, casts: &[Option<&str>]) -> String {
    let place = |(column, cast): (usize, &Option<&str>), row: usize| {
        let place = format!("${}", casts.len() * row + column + 1);
        cast.map_or_else(|| place.clone(), |cast| format!("CAST({place} AS {cast})"))
    };
    let row = |row: usize| {
        let columns: Vec<_> = casts.iter().enumerate().map(|column| place(column, row)).collect();
        format!("({})", columns.join(", "))
    };
    (0..size).map(row).collect::<Vec<_>>().join(", ")
}

/// An id as its column has it.
pub(super) fn id(id: EventId) -> Value {
    bits(id.as_u128())
}

pub(super) fn bits(bits: u128) -> Value {
    Value::Blob(bits.to_be_bytes().to_vec())
}

/// The number under which the events of an entity are found. Two entities may have the same, so their names are compared, too.
pub(super) fn number_of(space: i64, name: &EntityName) -> Value {
    let digest = Digest::of(format!("{space}/{name}").as_bytes());
    let (first, _) = digest.as_bytes().split_at(8);
    Value::Int(first.try_into().map_or(0, i64::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_through_all_rows() {
        assert_eq!(places(2, &[None, Some("BIGINT")]), "($1, CAST($2 AS BIGINT)), ($3, CAST($4 AS BIGINT))");
    }

    #[test]
    fn entities_have_numbers_of_their_own() {
        let name = |text: &str| EntityName::parse(text).unwrap();
        let number = |space, text: &str| number_of(space, &name(text));
        assert!(number(1, "a/b") == number(1, "a/b"));
        assert!(number(1, "a/b") != number(2, "a/b") && number(1, "a/b") != number(1, "a/c"));
    }
}
