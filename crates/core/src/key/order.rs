//! In which order keys are listed, and where a list is read on.

use std::fmt;

use crate::invalid::text_enum;
use crate::{ApiKey, Invalid, KeyId, Name, Timestamp};

text_enum!(
    /// By what keys are ordered.
    KeySort {
        /// When they were made.
        Created = "created",
        /// Their names, without regard to capitals.
        Name = "name",
        /// When they were last used; keys that never were come before all others.
        LastUsed = "last_used",
        /// When they expire; keys that never do come behind all others.
        Expires = "expires",
    }
);

text_enum!(
    /// Which way round.
    SortOrder {
        /// The least, first or earliest one first.
        Ascending = "asc",
        /// The greatest, last or latest one first.
        Descending = "desc",
    }
);

impl KeySort {
    /// The way round in which people expect it.
    pub const fn usual_order(self) -> SortOrder {
        match self {
            Self::Created | Self::LastUsed => SortOrder::Descending,
            Self::Name | Self::Expires => SortOrder::Ascending,
        }
    }
}

/// The last key of a page, with what it was ordered by when it was read: keys that are made or used while somebody pages do not
/// shift those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCursor {
    /// The key.
    pub id: KeyId,
    /// Its place in the order, which among equals is told by the id.
    pub place: KeyPlace,
}

/// What a key is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// Its id alone, which tells when it was made.
    Id,
    /// Its name.
    Name(Name),
    /// When it was last used, or expires; `None` for never.
    Moment(Option<Timestamp>),
}

impl KeyCursor {
    /// Behind this key.
    pub fn of(key: &ApiKey, sort: KeySort) -> Self {
        let place = match sort {
            KeySort::Created => KeyPlace::Id,
            KeySort::Name => KeyPlace::Name(key.name.clone()),
            KeySort::LastUsed => KeyPlace::Moment(key.last_used_at),
            KeySort::Expires => KeyPlace::Moment(key.expires_at),
        };
        Self { id: key.id, place }
    }

    /// Reads the text form of a cursor in this order.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str, sort: KeySort) -> Result<Self, Invalid> {
        let broken = || Invalid::rule("must be the `next_cursor` of a page in the same order");
        let (id, place) = text.split_once('.').map_or((text, None), |(id, place)| (id, Some(place)));
        let place = match (sort, place) {
            (KeySort::Created, None) => Some(KeyPlace::Id),
            (KeySort::Name, Some(hex)) => name_of(hex).map(KeyPlace::Name),
            (KeySort::LastUsed | KeySort::Expires, Some("never")) => Some(KeyPlace::Moment(None)),
            (KeySort::LastUsed | KeySort::Expires, Some(millis)) => {
                let moment = millis.parse().ok().map(Timestamp::from_millis);
                moment.map(|moment| KeyPlace::Moment(Some(moment)))
            }
            (KeySort::Created, Some(_)) | (KeySort::Name | KeySort::LastUsed | KeySort::Expires, None) => {
                None
            }
        };
        Ok(Self { id: id.parse().map_err(|_| broken())?, place: place.ok_or_else(broken)? })
    }
}

impl fmt::Display for KeyCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        match &self.place {
            KeyPlace::Id => Ok(()),
            KeyPlace::Name(name) => {
                f.write_str(".")?;
                name.as_str().bytes().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            KeyPlace::Moment(None) => f.write_str(".never"),
            KeyPlace::Moment(Some(moment)) => write!(f, ".{}", moment.as_millis()),
        }
    }
}

/// A name from the hexadecimal digits of its bytes: what stands in an address of the web needs no signs of its own.
fn name_of(hex: &str) -> Option<Name> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_in_the_order_it_was_made_for() {
        let id = KeyId::from_parts(Timestamp::from_millis(7), 7);
        for (place, sort) in [
            (KeyPlace::Id, KeySort::Created),
            (KeyPlace::Name("Größe 50%".parse().unwrap()), KeySort::Name),
            (KeyPlace::Moment(None), KeySort::LastUsed),
            (KeyPlace::Moment(Some(Timestamp::from_millis(1_800_000_000_123))), KeySort::Expires),
        ] {
            let cursor = KeyCursor { id, place };
            assert_eq!(KeyCursor::parse(&cursor.to_string(), sort), Ok(cursor.clone()));
            let other = if sort == KeySort::Name { KeySort::Created } else { KeySort::Name };
            assert!(KeyCursor::parse(&cursor.to_string(), other).is_err(), "{cursor}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let id = KeyId::from_parts(Timestamp::from_millis(7), 7);
        for (text, sort) in [
            (String::new(), KeySort::Created),
            (format!("{id}."), KeySort::Created),
            (format!("{id}."), KeySort::Name),
            (format!("{id}.4"), KeySort::Name),
            (format!("{id}.4x"), KeySort::Name),
            (format!("{id}.ff"), KeySort::Name),
            (format!("{id}.00"), KeySort::Name),
            (format!("{id}.{}", "61".repeat(201)), KeySort::Name),
            (format!("{id}.é1"), KeySort::Name),
            (format!("{id}."), KeySort::LastUsed),
            (format!("{id}.1e3"), KeySort::Expires),
            (format!("{id}.99999999999999999999"), KeySort::Expires),
            ("key_1.5".to_owned(), KeySort::Expires),
        ] {
            assert!(KeyCursor::parse(&text, sort).is_err(), "{text}");
        }
    }
}
