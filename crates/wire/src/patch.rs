//! A field of a JSON merge patch (RFC 7396): absent, `null`, or a value.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a merge patch says of one field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// The field is not there: leave it as it is.
    #[default]
    Keep,
    /// The field is `null`: clear it.
    Clear,
    /// Write this value.
    Write(T),
}

impl<T> Patch<T> {
    /// Parses a value that is there, keeping "absent" and "cleared".
    ///
    /// # Errors
    /// What `parse` refuses.
    pub fn try_map<U, E>(self, parse: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Write(value) => Patch::Write(parse(value)?),
        })
    }

    /// For a setting that can be cleared: `Some(None)` clears it.
    pub fn clearable(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Write(value) => Some(Some(value)),
        }
    }

    /// For a setting that has a default: clearing brings it back.
    pub fn or_default(self, default: impl FnOnce() -> T) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(default()),
            Self::Write(value) => Some(value),
        }
    }
}

/// A field that a client may leave out of a request.
pub(crate) trait Setting {
    /// Whether it is left out.
    fn is_absent(&self) -> bool;
}

impl<T> Setting for Patch<T> {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<T> Setting for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// For a setting that can be left out but not cleared.
pub(crate) fn never_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// On creation an absent field and `null` both leave the default.
impl<T> From<Option<T>> for Patch<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Write)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Clear, Self::Write))
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Write(value) => value.serialize(serializer),
        }
    }
}
