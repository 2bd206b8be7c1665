//! What is true of the key parser for any bytes at all. The fuzz target searches for bytes that break it;
//! the test beside it replays the seeds.

use keystile_core::key::{KeyText, MalformedKey, Presented, SecretFacts, check_brought_secret, mint};
use keystile_core::{Environment, KeyLabel, Secret};

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        the_text_is_classified_by_its_own_rules(text);
        for environment in Environment::ALL {
            what_may_be_brought_can_be_presented(text, *environment);
        }
    }
    what_is_minted_is_read_back(bytes);
}

fn the_text_is_classified_by_its_own_rules(text: &str) {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    match Presented::parse(text) {
        Ok(Presented::Ours(KeyText { label, environment })) => {
            assert!(label.parse::<KeyLabel>().is_ok(), "a label of ours is a label");
            let beginning = format!("sk_{label}_{}_", environment.tag());
            assert!(text.starts_with(&beginning) && text.len() == beginning.len() + 49);
        }
        Ok(Presented::Foreign) => assert!(plain && (8..=512).contains(&text.len())),
        Err(MalformedKey::Length) => assert!(!(8..=512).contains(&text.len())),
        Err(MalformedKey::Characters) => assert!(!plain),
        Err(MalformedKey::Shape | MalformedKey::CheckDigits) => assert!(text.starts_with("sk_")),
    }
}

fn what_may_be_brought_can_be_presented(text: &str, environment: Environment) {
    let secret = Secret::new(text);
    if check_brought_secret(&secret, environment).is_ok() {
        assert!(Presented::parse(text).is_ok(), "accepted, yet could never be used");
        let facts = SecretFacts::of(&secret);
        assert!(text.starts_with(&facts.prefix) && text.starts_with(&facts.key_prefix));
        assert!(text.ends_with(&facts.last4));
    }
}

/// The first bytes choose the environment and the label's length, the rest is label and randomness.
fn what_is_minted_is_read_back(bytes: &[u8]) {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let environment = Environment::ALL[usize::from(byte(0)) % Environment::ALL.len()];
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |at| char::from(letters[usize::from(byte(at)) % letters.len()]);
    let length = 2 + usize::from(byte(1)) % 11;
    let label = (2..2 + length).map(letter).collect::<String>();
    let random = std::array::from_fn(|at| byte(14 + at));
    let secret = mint(&label.parse().unwrap(), environment, &random);
    let ours = KeyText { label: &label, environment };
    assert_eq!(Presented::parse(secret.expose()), Ok(Presented::Ours(ours)));
    let mut mistyped = secret.expose().as_bytes().to_vec();
    let at = usize::from(byte(46)) % mistyped.len();
    let typed = byte(47) & 0x7f;
    if std::mem::replace(&mut mistyped[at], typed) != typed {
        let mistyped = String::from_utf8(mistyped).unwrap();
        assert!(!matches!(Presented::parse(&mistyped), Ok(Presented::Ours(_))), "{mistyped}");
    }
}
