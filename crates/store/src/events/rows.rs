//! What stands for ids and entities in rows of events.

use keystile_core::event::EntityName;
use keystile_core::{Digest, EventId};

use crate::value::Value;

/// An id as its column has it.
pub(super) fn id(id: EventId) -> Value {
    Value::bits(id.as_u128())
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
    fn entities_have_numbers_of_their_own() {
        let name = |text: &str| EntityName::parse(text).unwrap();
        let number = |space, text: &str| number_of(space, &name(text));
        assert!(number(1, "a/b") == number(1, "a/b"));
        assert!(number(1, "a/b") != number(2, "a/b") && number(1, "a/b") != number(1, "a/c"));
    }
}
