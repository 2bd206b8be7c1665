//! Short texts with rules: names, labels, addresses.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::Invalid;

/// Reads a string and parses it, so that JSON errors carry the rule that was broken.
pub(crate) fn deserialize_parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = Invalid>,
{
    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

macro_rules! checked_text {
    ($(#[$outer:meta])* $name:ident, $check:expr) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $check(text).map(|kept: String| Self(kept.into_boxed_str()))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::deserialize_parsed(deserializer)
            }
        }
    };
}
pub(crate) use checked_text;

checked_text!(
    /// What people call a tenant, an application or a key: 1–200 characters, none of them a control
    /// character, with white space around it dropped.
    Name,
    check_name
);

checked_text!(
    /// The tenant's part of a key's text: 2–12 of `a-z` and `0-9`.
    KeyLabel,
    check_label
);

checked_text!(
    /// An email address in lower case, 3–254 bytes with one `@`. Whether mail arrives there is
    /// for a confirmation to tell, not for a pattern.
    Email,
    check_email
);

impl Default for KeyLabel {
    fn default() -> Self {
        Self("ks".into())
    }
}

/// Longest name, in characters.
const NAME_MAX_CHARS: usize = 200;

/// Drops surrounding white space and refuses control characters and lengths outside `1..=max_chars`.
///
/// # Errors
/// Names the rule that was broken.
pub fn check_line(text: &str, max_chars: usize) -> Result<String, Invalid> {
    let kept = text.trim();
    if kept.is_empty() || kept.chars().nth(max_chars).is_some() {
        return Err(Invalid::rule(format!("must have 1 to {max_chars} characters")));
    }
    if kept.chars().any(char::is_control) {
        return Err(Invalid::rule("must not contain control characters"));
    }
    Ok(kept.to_owned())
}

/// Refuses anything but 1–`max_bytes` visible ASCII characters without white space: what may stand in a header.
///
/// # Errors
/// Names the rule that was broken.
pub fn check_word(text: &str, max_bytes: usize) -> Result<String, Invalid> {
    if (1..=max_bytes).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::rule(format!("must have 1 to {max_bytes} visible ASCII characters and no spaces")))
    }
}

fn check_name(text: &str) -> Result<String, Invalid> {
    check_line(text, NAME_MAX_CHARS)
}

/// Shortest and longest label.
pub(crate) const LABEL_LENGTH: std::ops::RangeInclusive<usize> = 2..=12;

pub(crate) fn is_label(bytes: &[u8]) -> bool {
    LABEL_LENGTH.contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

fn check_label(text: &str) -> Result<String, Invalid> {
    if is_label(text.as_bytes()) {
        Ok(text.to_owned())
    } else {
        Err(Invalid::rule("must have 2 to 12 of the characters a-z and 0-9"))
    }
}

fn check_email(text: &str) -> Result<String, Invalid> {
    let kept = text.trim().to_lowercase();
    let parts = kept.split_once('@');
    let well_formed = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && kept.len() <= 254
    });
    if well_formed && kept.chars().all(|c| c.is_ascii_graphic() || !c.is_ascii() && c.is_alphanumeric()) {
        Ok(kept)
    } else {
        Err(Invalid::rule("must be an email address such as `ada@example.com`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_200_characters_and_no_control_character() {
        assert_eq!("  Main website ".parse::<Name>().unwrap().as_str(), "Main website");
        assert!("ü".repeat(200).parse::<Name>().is_ok());
        for bad in ["", "   ", "a\nb", "a\u{0}b", &"a".repeat(201)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_address_is_kept_in_lower_case() {
        assert_eq!("Ada@Example.com".parse::<Email>().unwrap().as_str(), "ada@example.com");
        assert_eq!(" ada@example.com\n".parse::<Email>().unwrap().as_str(), "ada@example.com");
        for bad in
            ["ada", "@example.com", "ada@", "a@b@c", "a b@c", "a\n@b", &format!("{}@b", "a".repeat(253))]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_label_is_short_and_plain() {
        assert!("acme2".parse::<KeyLabel>().is_ok());
        for bad in ["a", "Acme", "ac-me", "abcdefghijklm", ""] {
            assert!(bad.parse::<KeyLabel>().is_err(), "{bad:?}");
        }
    }
}
