//! What goes into and comes out of a column.

use std::fmt::{self, Display};

use keystile_core::{Append, Digest, Seq, Timestamp};
use smallvec::SmallVec;

use crate::StoreError;

/// The value of one column. It may be a password's hash, so it does not print.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
    /// A text of ours.
    Word(&'static str),
    /// Ids, of which rows of logs are made, are kept in place.
    Blob(SmallVec<[u8; 16]>),
}

impl Value {
    /// The text form of an id, an enumeration, an address.
    pub(crate) fn text(shown: impl Display) -> Self {
        Self::Text(shown.to_string())
    }

    /// The same for what may be missing.
    pub(crate) fn opt_text(shown: Option<impl Display>) -> Self {
        shown.map_or(Self::Null, Self::text)
    }

    /// An id, which fills the room for it.
    pub(crate) fn id(id: impl Append) -> Self {
        /// No kind of id is longer, in bytes.
        const LONGEST: usize = 32;
        let mut text = String::with_capacity(LONGEST);
        id.append_to(&mut text);
        Self::Text(text)
    }

    /// The same for what may be missing.
    pub(crate) fn opt_id(id: Option<impl Append>) -> Self {
        id.map_or(Self::Null, Self::id)
    }

    /// A word of ours, without copying it.
    pub(crate) fn opt_word(word: Option<&'static str>) -> Self {
        word.map_or(Self::Null, Self::Word)
    }

    /// Bytes.
    pub(crate) fn blob(bytes: impl Into<SmallVec<[u8; 16]>>) -> Self {
        Self::Blob(bytes.into())
    }

    /// A count. Counts of ours stay far below `i64::MAX`; what does not is stored as that.
    pub(crate) fn count(count: Option<u64>) -> Self {
        count.map_or(Self::Null, |count| Self::Int(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// An id as its 16 bytes, the highest first.
    pub(crate) fn bits(bits: u128) -> Self {
        Self::blob(bits.to_be_bytes())
    }

    /// The same for what may be missing.
    pub(crate) fn opt_bits(bits: Option<u128>) -> Self {
        bits.map_or(Self::Null, Self::bits)
    }

    /// A list or an object, as JSON text.
    pub(crate) fn json(value: &serde_json::Value) -> Self {
        Self::text(value)
    }

    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
            Self::Word(word) => word.len(),
            Self::Blob(blob) => blob.len(),
        }
    }

    /// Refuses what PostgreSQL could not store, on either engine.
    pub(crate) fn check(values: &[Self]) -> Result<(), StoreError> {
        let holds_nul = |value: &Self| matches!(value, Self::Text(text) if text.contains('\0'));
        if values.iter().any(holds_nul) {
            return Err(StoreError::Refused("a text contains the character U+0000".to_owned()));
        }
        Ok(())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value(…)")
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Self {
        Self::Int(int)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
    }
}

impl From<Timestamp> for Value {
    fn from(moment: Timestamp) -> Self {
        Self::Int(moment.as_millis())
    }
}

impl From<Seq> for Value {
    fn from(seq: Seq) -> Self {
        Self::count(Some(seq.as_u64()))
    }
}

impl From<Digest> for Value {
    fn from(digest: Digest) -> Self {
        Self::blob(digest.as_bytes().as_slice())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
