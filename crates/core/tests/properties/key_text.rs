//! The text form of a key: what is minted is read back, and nothing else passes for it.

use keystile_core::key::{KeyText, Presented, check_brought_secret, mint};
use keystile_core::{Environment, KeyLabel};
use proptest::prelude::*;

use crate::key_text_laws;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK_LENGTH: usize = 6;

fn label() -> impl Strategy<Value = KeyLabel> {
    "[a-z0-9]{2,12}".prop_map(|text| text.parse().unwrap())
}

fn environment() -> impl Strategy<Value = Environment> {
    proptest::sample::select(Environment::ALL)
}

fn minted() -> impl Strategy<Value = String> {
    (label(), environment(), any::<[u8; 32]>())
        .prop_map(|(label, environment, random)| mint(&label, environment, &random).expose().to_owned())
}

fn is_ours(text: &str) -> bool {
    matches!(Presented::parse(text), Ok(Presented::Ours(_)))
}

/// Texts that begin like ours and go astray anywhere after that.
fn nearly_ours() -> impl Strategy<Value = String> {
    "sk_[a-z0-9A-Z]{0,14}_(live|stage|dev|prod|)_?[0-9A-Za-z_]{0,60}"
}

proptest! {
    #[test]
    fn a_minted_key_is_read_back(label in label(), environment in environment(), random: [u8; 32]) {
        let secret = mint(&label, environment, &random);
        let ours = KeyText { label: label.as_str(), environment };
        prop_assert_eq!(Presented::parse(secret.expose()), Ok(Presented::Ours(ours)));
        prop_assert!(check_brought_secret(&secret, environment).is_ok());
    }

    #[test]
    fn different_randomness_makes_a_different_key(one: [u8; 32], other: [u8; 32]) {
        let text = |random| mint(&KeyLabel::default(), Environment::Production, random).expose().to_owned();
        prop_assert_eq!(text(&one) == text(&other), one == other);
    }

    #[test]
    fn one_mistyped_character_is_never_another_key(
        text in minted(),
        at: proptest::sample::Index,
        typed: char,
    ) {
        let mut characters = text.chars().collect::<Vec<_>>();
        *at.get_mut(&mut characters) = typed;
        let mistyped = characters.into_iter().collect::<String>();
        prop_assert_eq!(is_ours(&mistyped), mistyped == text, "{}", mistyped);
    }

    #[test]
    fn two_neighbours_changed_over_are_never_another_key(text in minted()) {
        for at in 1..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes.swap(at - 1, at);
            let swapped = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(is_ours(&swapped), swapped == text, "{}", swapped);
        }
    }

    #[test]
    fn one_character_too_many_or_too_few_is_never_another_key(
        text in minted(),
        at: proptest::sample::Index,
        added in "[0-9A-Za-z_]",
    ) {
        let at = at.index(text.len());
        let shorter = format!("{}{}", &text[..at], &text[at + 1..]);
        let longer = format!("{}{added}{}", &text[..at], &text[at..]);
        prop_assert!(!is_ours(&shorter) && !is_ours(&longer));
    }

    #[test]
    fn the_laws_hold_for_any_text(text in prop_oneof![".*", nearly_ours(), "[!-~]{0,600}", minted()]) {
        key_text_laws::hold(text.as_bytes());
    }

    #[test]
    fn the_laws_hold_for_any_bytes(bytes: Vec<u8>) {
        key_text_laws::hold(&bytes);
    }
}

/// A mistyped character is a burst of at most 8 bits, which a CRC-32 always finds: so not one of the
/// 61 other digits, anywhere, may pass.
#[test]
fn no_digit_of_a_key_can_be_replaced_by_another() {
    let secret = mint(&KeyLabel::default(), Environment::Production, &[0x5a; 32]);
    let text = secret.expose();
    for at in 0..text.len() {
        for digit in BASE62.iter().filter(|digit| **digit != text.as_bytes()[at]) {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = *digit;
            assert!(!is_ours(&String::from_utf8(bytes).unwrap()), "{at} {digit}");
        }
    }
}

/// The one change-over that is no burst for the CRC is between the last digit of the body and the first of
/// the check. All pairs of digits are met there by counting the body up.
#[test]
fn the_body_and_the_check_digits_cannot_trade_neighbours() {
    for count in 0..=u16::MAX {
        let mut random = [0; 32];
        random[30..].copy_from_slice(&count.to_be_bytes());
        let secret = mint(&KeyLabel::default(), Environment::Development, &random);
        let mut bytes = secret.expose().as_bytes().to_vec();
        let first_check_digit = bytes.len() - CHECK_LENGTH;
        bytes.swap(first_check_digit - 1, first_check_digit);
        let swapped = String::from_utf8(bytes).unwrap();
        assert!(swapped == secret.expose() || !is_ours(&swapped), "{count}");
    }
}
