//! Whether two texts are the same JSON: order of members and white space do not matter, every digit does.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Deepest nesting that is looked into, which is as deep as JSON is read elsewhere. What is deeper is the same if its text is.
const DEEPEST: usize = 127;

/// Whether they are. Numbers are compared by their digits, as a reader's floats would lose some of them; whole numbers and
/// others are told apart, as readers do.
pub(super) fn is_same(one: &RawValue, other: &RawValue) -> bool {
    are_same(one.get(), other.get(), DEEPEST)
}

fn are_same(one: &str, other: &str, depth: usize) -> bool {
    if one == other {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else { return false };
    match (one.as_bytes().first(), other.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => have_same_members(one, other, depth),
        (Some(b'['), Some(b'[')) => have_same_items(one, other, depth),
        (Some(b'"'), Some(b'"')) => read::<String>(one).is_some_and(|text| Some(text) == read(other)),
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => {
            Number::read(one).is_some_and(|number| Some(number) == Number::read(other))
        }
        _ => false,
    }
}

/// Of members of the same name the last counts.
fn have_same_members(one: &str, other: &str, depth: usize) -> bool {
    let (one, other) = (read::<BTreeMap<String, &RawValue>>(one), read::<BTreeMap<String, &RawValue>>(other));
    let (Some(one), Some(other)) = (one, other) else { return false };
    let mut pairs = one.iter().zip(&other);
    one.len() == other.len()
        && pairs.all(|(one, other)| one.0 == other.0 && are_same(one.1.get(), other.1.get(), depth))
}

fn have_same_items(one: &str, other: &str, depth: usize) -> bool {
    let (Some(one), Some(other)) = (read::<Vec<&RawValue>>(one), read::<Vec<&RawValue>>(other)) else {
        return false;
    };
    let mut pairs = one.iter().zip(&other);
    one.len() == other.len() && pairs.all(|(one, other)| are_same(one.get(), other.get(), depth))
}

fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// A number in one form: `1.50`, `15e-1` and `0.15E+1` are the same.
#[derive(Debug, PartialEq, Eq)]
struct Number {
    /// It is written as a whole number that fits 64 bits.
    is_whole: bool,
    is_negative: bool,
    /// Neither the first nor the last of them is 0; there are none of zero.
    digits: String,
    exponent: i64,
}

impl Number {
    /// None of an exponent that has no room.
    fn read(text: &str) -> Option<Self> {
        let is_whole = text != "-0" && (text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok());
        let unsigned = text.strip_prefix('-');
        let (is_negative, unsigned) = (unsigned.is_some(), unsigned.unwrap_or(text));
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let written = format!("{whole}{fraction}");
        let behind_zeros = written.trim_start_matches('0');
        let digits = behind_zeros.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self { is_whole, is_negative: false, digits: String::new(), exponent: 0 });
        }
        let shift = i64::try_from(behind_zeros.len() - digits.len()).ok()?;
        let shift = shift.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let exponent = exponent.parse::<i64>().ok()?.checked_add(shift)?;
        Some(Self { is_whole, is_negative, digits: digits.to_owned(), exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let (one, other) = (raw(one), raw(other));
        assert_eq!(is_same(&one, &other), is_same(&other, &one));
        is_same(&one, &other)
    }

    #[test]
    fn order_space_and_ways_to_write_the_same_do_not_matter() {
        for (one, other) in [
            (r#"{"a":1,"b":[2,{"c":null}]}"#, r#"{ "b" : [2, {"c":null}], "a" : 1 }"#),
            (r#""\u00e9\n""#, "\"é\\n\""),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("1.50", "1.5"),
            ("1.5", "15e-1"),
            ("0.15E+1", "1.5"),
            ("100.0", "1e2"),
            ("-0.0", "0.0"),
            ("0e5", "0.00"),
            ("18446744073709551616", "18446744073709551616.0"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn no_digit_is_lost() {
        for (one, other) in [
            ("18446744073709551616", "18446744073709551617"),
            ("0.1", "0.10000000000000000001"),
            ("1e400", "1e401"),
            ("9007199254740993.0", "9007199254740992.0"),
            (r#"{"a":[12345678901234567890123]}"#, r#"{"a": [12345678901234567890124]}"#),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_readers_tell_apart_is_not_the_same() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0", "-0"),
            ("1", "-1"),
            ("1", "\"1\""),
            ("null", "false"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            ("1e9223372036854775807", "10e9223372036854775807"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn nesting_of_any_depth_is_compared() {
        let nested = |depth: usize, space: &str| "[".repeat(depth) + space + "1" + &"]".repeat(depth);
        assert!(same(&nested(100, ""), &nested(100, " ")));
        let deep = nested(100_000, "");
        assert!(same(&deep, &deep) && !same(&deep, &nested(100_000, " ")));
    }
}
