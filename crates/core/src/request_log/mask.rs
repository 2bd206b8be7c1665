//! Secrets in what clients wrote where no secret belongs.

use std::borrow::Cow;

use crate::key::masked_length;

/// How our own secrets begin: keys, tokens to refresh and to reset, invitations, and tokens in the form of a JWT.
const BEGINNINGS: [&str; 5] = ["sk_", "rt_", "pr_", "ksinv_", "eyJ"];
/// A word that begins so and has so many bytes is taken for a secret, whatever its check digits say: a mistyped key is
/// a key all but for a letter.
const LONG: usize = 20;

/// The text, of each secret in which the beginning is left. A key of ours is found wherever it stands; what merely begins like a
/// secret of ours must begin a word, and be long.
pub fn masked(text: &str) -> Cow<'_, str> {
    masked_within(text, text.len())
}

/// The same, of the first `most` bytes: what begins behind them is left out. It does not move forward when a secret before it gets
/// shorter, as a secret among it may have been cut, and not be known for one any more.
pub(super) fn masked_within(text: &str, most: usize) -> Cow<'_, str> {
    let mut kept = String::new();
    let (mut from, mut passed) = (0, 0);
    while let Some((at, beginning)) = next_beginning(&text[passed..]) {
        let at = passed + at;
        if at >= most {
            break;
        }
        let length = secret_length(&text[from..], at - from);
        if length == 0 {
            passed = at + beginning.len();
            continue;
        }
        kept.push_str(&text[from..at]);
        kept.push_str(beginning);
        kept.push('…');
        from = at + length;
        passed = from;
    }
    // The last secret may reach further.
    let rest = text.get(from..text.floor_char_boundary(most)).unwrap_or_default();
    if kept.is_empty() {
        return Cow::Borrowed(rest);
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

fn next_beginning(text: &str) -> Option<(usize, &'static str)> {
    let first = |beginning: &'static str| text.find(beginning).map(|at| (at, beginning));
    BEGINNINGS.into_iter().filter_map(first).min_by_key(|(at, _)| *at)
}

/// How many bytes from `at` on are a secret; 0 if none is there.
fn secret_length(text: &str, at: usize) -> usize {
    let (before, from_here) = (text[..at].chars().next_back(), &text[at..]);
    let word = from_here.find(|c: char| !is_of_word(c)).unwrap_or(from_here.len());
    match masked_length(from_here.as_bytes()) {
        Some(length) => length,
        None if word >= LONG && !before.is_some_and(|c| c.is_ascii_alphanumeric()) => word,
        None => 0,
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;
    use crate::key::mint;

    #[test]
    fn secrets_are_masked_and_nothing_else() {
        let key = mint(&"acme".parse().unwrap(), Environment::Production, &[7; 32]);
        let key = key.expose();
        let near = format!("{}!", &key[..key.len() - 1]);
        for (text, expected) in [
            ("/orders/7", "/orders/7"),
            ("/sk_docs/part_2/eyJ", "/sk_docs/part_2/eyJ"),
            (&format!("/k/{key}/x"), "/k/sk_…/x"),
            (&format!("a{key}{key}b"), "ask_…sk_…b"),
            (&near, "sk_…!"),
            ("/t/eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl", "/t/eyJ…"),
            ("/desk_accessories_for_the_office", "/desk_accessories_for_the_office"),
            ("ü/rt_0123456789abcdefghij ü", "ü/rt_… ü"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn what_begins_behind_the_end_stays_there_when_secrets_before_it_get_shorter() {
        let key = mint(&"acme".parse().unwrap(), Environment::Production, &[7; 32]);
        let key = key.expose();
        let cut = format!("/{key}/x{}", &key[..key.len() - 1]);
        let end = cut.len() - key.len() + 1;
        assert_eq!(masked_within(&cut, end), "/sk_…/x");
        assert_eq!(
            masked_within(&format!("ab{key}/c"), 5),
            "absk_…",
            "and what begins before it is known whole"
        );
        assert_eq!([masked_within("äb", 1), masked_within("äb", 2), masked_within("äb", 9)], ["", "ä", "äb"]);
    }
}
