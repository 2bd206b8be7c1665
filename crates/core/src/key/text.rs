//! The text form of a key: `sk_{label}_{env}_{body}{check}`.
//!
//! `body` is 256 random bits in 43 base62 digits; `check` is the CRC-32 of everything before it in 6. A
//! mistyped or invented key is thus refused without any look-up, and a scanner can find leaked keys.

use crate::key::base62::{self, BODY_LENGTH, CHECK_LENGTH};
use crate::text::is_label;
use crate::{Environment, Invalid, KeyLabel, Secret};

pub(super) const PREFIX: &str = "sk_";
/// Digits behind the environment: body and check.
pub(super) const TAIL_LENGTH: usize = BODY_LENGTH + CHECK_LENGTH;
/// Shortest and longest text that is looked up at all.
const PRESENTED_LENGTH: std::ops::RangeInclusive<usize> = 8..=512;
/// Shortest and longest secret a tenant may bring.
const BROUGHT_LENGTH: std::ops::RangeInclusive<usize> = 24..=512;

/// Makes the text of a new key from 32 bytes of the operating system's randomness.
pub fn mint(label: &KeyLabel, environment: Environment, random: &[u8; 32]) -> Secret {
    let body = base62::encode_256(random);
    let mut text = String::with_capacity(PREFIX.len() + label.as_str().len() + 7 + TAIL_LENGTH);
    text.extend([PREFIX, label.as_str(), "_", environment.tag(), "_"]);
    text.extend(body.map(char::from));
    text.extend(base62::encode_32(crc32fast::hash(text.as_bytes())).map(char::from));
    Secret::new(text)
}

/// What a presented text can be, found out without any look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Our own form, with good check digits.
    Ours(KeyText<'a>),
    /// Another form: a secret brought by its tenant, or nothing.
    Foreign,
}

/// A text cannot be any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedKey {
    /// Shorter or longer than any key.
    #[error("a key has 8 to 512 characters")]
    Length,
    /// Not visible ASCII.
    #[error("a key has only visible ASCII characters")]
    Characters,
    /// Begins like one of our keys but is cut, extended or has a foreign character.
    #[error("after `sk_{{label}}_{{env}}_` a key has exactly 49 letters and digits")]
    Shape,
    /// Has our form, but was mistyped or invented.
    #[error("the check digits are wrong: the key was mistyped, cut or invented")]
    CheckDigits,
}

impl<'a> Presented<'a> {
    /// Classifies a text in time linear in its length.
    ///
    /// # Errors
    /// When the text cannot be any key.
    pub fn parse(text: &'a str) -> Result<Self, MalformedKey> {
        if !PRESENTED_LENGTH.contains(&text.len()) {
            return Err(MalformedKey::Length);
        }
        if !every_byte(text, |b| b.is_ascii_graphic()) {
            return Err(MalformedKey::Characters);
        }
        KeyText::parse(text).map(|ours| ours.map_or(Self::Foreign, Self::Ours))
    }
}

/// A text in our own form with good check digits; borrowed, and without the secret part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyText<'a> {
    /// The tenant's label.
    pub label: &'a str,
    /// Where the key says it works.
    pub environment: Environment,
}

impl<'a> KeyText<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Option<Self>, MalformedKey> {
        let Some((label, environment, tail)) = split(text) else { return Ok(None) };
        if tail.len() != TAIL_LENGTH || !every_byte(tail, |b| b.is_ascii_alphanumeric()) {
            return Err(MalformedKey::Shape);
        }
        let (checked, check) = text.split_at(text.len() - CHECK_LENGTH);
        if base62::encode_32(crc32fast::hash(checked.as_bytes())) != check.as_bytes() {
            return Err(MalformedKey::CheckDigits);
        }
        Ok(Some(Self { label, environment }))
    }
}

/// Looks at every byte even after one failed: without a branch the loop runs on many bytes at once, which
/// more than halves the time of parsing a good key.
fn every_byte(text: &str, holds: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & holds(byte))
}

/// The three parts of a text that begins as ours do.
fn split(text: &str) -> Option<(&str, Environment, &str)> {
    let (label, rest) = split_at_underscore(text.strip_prefix(PREFIX)?)?;
    let (tag, tail) = split_at_underscore(rest)?;
    is_label(label.as_bytes()).then_some(())?;
    Some((label, Environment::from_tag(tag)?, tail))
}

/// `split_once('_')` without its searcher for any character, which costs more than these few bytes.
fn split_at_underscore(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b'_')?;
    Some((&text[..at], &text[at + 1..]))
}

/// Checks the form of a secret that a tenant brings for a key of `environment`. How guessable it is, is for the
/// caller to judge.
///
/// # Errors
/// When it is no 24–512 visible ASCII characters, or looks like one of our keys but could never be used:
/// with wrong check digits, or made for another environment.
pub fn check_brought_secret(secret: &Secret, environment: Environment) -> Result<(), Invalid> {
    let text = secret.expose();
    if !BROUGHT_LENGTH.contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Invalid::rule("must have 24 to 512 visible ASCII characters"));
    }
    match Presented::parse(text) {
        Ok(Presented::Ours(ours)) if ours.environment != environment => Err(Invalid::rule(format!(
            "its text says `{}`, which is another environment",
            ours.environment.tag()
        ))),
        Ok(_) => Ok(()),
        Err(malformed) => Err(Invalid::rule(format!("begins like a Keystile key, but {malformed}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minted(label: &str, environment: Environment) -> Secret {
        mint(&label.parse().unwrap(), environment, &[7; 32])
    }

    #[test]
    fn a_minted_key_tells_its_label_and_environment() {
        for environment in Environment::ALL {
            let secret = minted("acme", *environment);
            let text = secret.expose();
            let ours = KeyText { label: "acme", environment: *environment };
            assert_eq!(Presented::parse(text), Ok(Presented::Ours(ours)));
            assert_eq!(text.len(), "sk_acme__".len() + environment.tag().len() + 49);
        }
    }

    #[test]
    fn a_cut_or_extended_or_mistyped_key_is_malformed() {
        let secret = minted("ks", Environment::Production);
        let text = secret.expose();
        assert_eq!(Presented::parse(&text[..text.len() - 1]), Err(MalformedKey::Shape));
        assert_eq!(Presented::parse(&format!("{text}a")), Err(MalformedKey::Shape));
        assert_eq!(Presented::parse(&text.replace("live", "stage")), Err(MalformedKey::CheckDigits));
        assert_eq!(Presented::parse("sk_ks_live_short"), Err(MalformedKey::Shape));
    }

    #[test]
    fn other_forms_are_foreign_and_impossible_texts_malformed() {
        for foreign in [
            "sk-1234567890abcdef",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "sk_KS_live_x12345",
            "sk_ks_prod_x12345",
        ] {
            assert_eq!(Presented::parse(foreign), Ok(Presented::Foreign), "{foreign}");
        }
        assert_eq!(Presented::parse("short"), Err(MalformedKey::Length));
        assert_eq!(Presented::parse(&"a".repeat(513)), Err(MalformedKey::Length));
        assert_eq!(Presented::parse("with a space in it"), Err(MalformedKey::Characters));
        assert_eq!(Presented::parse("pässwörtern-und-mehr"), Err(MalformedKey::Characters));
    }

    #[test]
    fn a_brought_secret_must_be_able_to_work() {
        let check = |text: &str| check_brought_secret(&Secret::new(text), Environment::Staging);
        assert!(check("9f8e7d6c5b4a39281706f5e4").is_ok());
        assert!(check(minted("ks", Environment::Staging).expose()).is_ok());
        assert!(
            check(minted("ks", Environment::Production).expose())
                .unwrap_err()
                .rule
                .contains("another environment")
        );
        assert!(check("sk_ks_stage_0123456789abcdef").unwrap_err().rule.contains("begins like"));
        assert!(check("too-short").is_err());
        assert!(check("0123456789 0123456789 0123456789").is_err());
    }
}
