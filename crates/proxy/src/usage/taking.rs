//! Values of JSON of which only what is wanted is kept. Whatever stands beside it is passed over, and a value of another kind than is
//! wanted says nothing, so that an answer that is odd in one place is read in all others.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What is wanted of a value. Each kind of value that is not asked for is passed over.
pub(super) trait Take<'de> {
    fn text(&mut self, _: &str) {}

    /// The same of a text that stands in what is read as it is, with nothing escaped in it.
    fn plain_text(&mut self, text: &'de str) {
        self.text(text);
    }

    /// A whole number that is not negative.
    fn count(&mut self, _: u64) {}

    /// Any other number.
    fn number(&mut self, _: f64) {}

    /// A list begins, of which all items are to be read.
    fn items<A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    /// An object begins.
    fn object(&mut self) {}

    /// A member of it, whose value is to be read.
    fn member<A: MapAccess<'de>>(&mut self, _name: &str, members: &mut A) -> Result<(), A::Error> {
        pass_over(members)
    }
}

/// Reads a value for what is wanted of it, and gives that.
pub(super) struct Taking<T>(pub(super) T);

/// The value of a member, as far as it is wanted.
pub(super) fn taken<'de, T: Take<'de> + Default, A: MapAccess<'de>>(members: &mut A) -> Result<T, A::Error> {
    members.next_value_seed(Taking(T::default()))
}

/// Passes over the value of a member.
pub(super) fn pass_over<'de, A: MapAccess<'de>>(members: &mut A) -> Result<(), A::Error> {
    members.next_value::<IgnoredAny>().map(drop)
}

impl<'de, T: Take<'de>> DeserializeSeed<'de> for Taking<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take<'de>> Visitor<'de> for Taking<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(self.0)
    }

    fn visit_u64<E>(mut self, count: u64) -> Result<T, E> {
        self.0.count(count);
        Ok(self.0)
    }

    fn visit_i64<E>(mut self, number: i64) -> Result<T, E> {
        self.0.number(number as f64);
        Ok(self.0)
    }

    fn visit_f64<E>(mut self, number: f64) -> Result<T, E> {
        self.0.number(number);
        Ok(self.0)
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<T, E> {
        self.0.plain_text(text);
        Ok(self.0)
    }

    fn visit_str<E>(mut self, text: &str) -> Result<T, E> {
        self.0.text(text);
        Ok(self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<T, A::Error> {
        self.0.items(&mut items)?;
        Ok(self.0)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<T, A::Error> {
        self.0.object();
        while let Some(Name(name)) = members.next_key()? {
            self.0.member(&name, &mut members)?;
        }
        Ok(self.0)
    }
}

/// The name of a member, with what is escaped in it.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(Reader)
    }
}
