//! The one way a value from outside is refused: the field and the rule it broke.

use std::borrow::Cow;
use std::fmt;

/// A value broke a rule. `field` is the JSON name a caller used; it may be empty inside this crate
/// until the border names it with [`Invalid::at`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// JSON name of the field, with a path for nested values (`rate_limits[0].limit`).
    pub field: Cow<'static, str>,
    /// The rule in words a caller can act on, without the offending value.
    pub rule: Cow<'static, str>,
}

impl Invalid {
    /// A broken rule whose field the border will name.
    pub fn rule(rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Cow::Borrowed(""), rule: rule.into() }
    }

    /// A broken rule of the named field.
    pub fn new(field: impl Into<Cow<'static, str>>, rule: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), rule: rule.into() }
    }

    /// The same broken rule, found in `field`. An inner path is kept behind it.
    #[must_use]
    pub fn at(self, field: &str) -> Self {
        let path = match self.field.as_ref() {
            "" => field.to_owned(),
            inner if inner.starts_with('[') => format!("{field}{inner}"),
            inner => format!("{field}.{inner}"),
        };
        Self { field: Cow::Owned(path), rule: self.rule }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            f.write_str(&self.rule)
        } else {
            write!(f, "{}: {}", self.field, self.rule)
        }
    }
}

impl std::error::Error for Invalid {}

/// Declares an enumeration whose members have one text form, used in JSON, SQL and the command line.
macro_rules! text_enum {
    (
        $(#[$outer:meta])*
        $name:ident { $( $(#[$inner:meta])* $member:ident = $text:literal ),+ $(,)? }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        pub enum $name { $( $(#[$inner])* #[serde(rename = $text)] $member ),+ }

        impl $name {
            /// Every member, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The text form.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$member),)+
                    _ => Err($crate::Invalid::rule(concat!("must be one of", $(" `", $text, "`"),+))),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize_parsed(deserializer)
            }
        }
    };
}
pub(crate) use text_enum;

#[cfg(test)]
mod tests {
    use super::Invalid;

    #[test]
    fn the_border_names_the_field_and_keeps_the_inner_path() {
        let found = Invalid::new("[0].limit", "must be at least 1").at("rate_limits");
        assert_eq!(found.to_string(), "rate_limits[0].limit: must be at least 1");
        assert_eq!(Invalid::rule("must not be empty").at("name").field, "name");
    }
}
