//! How hard a text that somebody chose is to guess.

use std::collections::BTreeSet;

/// Part of a text that is judged at once, in characters. zxcvbn's cost grows with their square, and its estimate ends near 10^19.
const AT_ONCE: usize = 32;
/// Part of a text that stands in it before, in characters; shorter ones repeat by chance.
const LEAST_ECHO: usize = 4;
/// Signs that count: as many are expected of a random text, and no more of a row of keys.
const MOST_SIGNS: usize = 12;
/// Shortest word that is looked for, in characters.
const LEAST_WORD: usize = 3;

/// About how many guesses a text takes, as a power of ten; `enough` or more ends the estimate. What it repeats, and the `known`
/// words, which [`words`] gives, count for nothing. The cost grows with the square of the text's length at most. That of
/// zxcvbn alone does not: it tries every reading of all signs that look like letters, so it is given letters and digits only.
pub(crate) fn guesses_log10(text: &str, known: &[String], enough: f64) -> f64 {
    let lower = text.to_lowercase();
    let read_as = |reading: fn(char) -> char| {
        let read: Vec<char> = lower.chars().map(reading).collect();
        let guesses = |known| Parts::of(&read, known).guesses_log10(enough);
        match known {
            [] => guesses(&[]),
            // A known word may be a part of one that is easier to guess as a whole.
            known => guesses(known).min(guesses(&[])),
        }
    };
    read_as(letter_alike).min(read_as(digit_below))
}

/// The words of names, in lower case, longest first.
pub(crate) fn words<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let lower = names.into_iter().map(str::to_lowercase);
    let apart =
        |name: String| name.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let mut words: Vec<_> = lower.flat_map(apart).filter(|word| word.chars().count() >= LEAST_WORD).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

/// What a text adds to what is known.
#[derive(Default)]
struct Parts {
    pieces: Vec<String>,
    signs: BTreeSet<char>,
}

impl Parts {
    fn of(text: &[char], known: &[String]) -> Self {
        let mut parts = Self::default();
        let (mut piece, mut at) = (String::new(), 0);
        while let Some(next) = text.get(at) {
            let skipped = known_length(&text[at..], known).max(echo_length(text, at));
            if skipped == 0 && next.is_alphanumeric() {
                piece.push(*next);
            } else {
                parts.pieces.push(std::mem::take(&mut piece));
            }
            if skipped == 0 && !next.is_alphanumeric() {
                parts.signs.insert(*next);
            }
            at += skipped.max(1);
        }
        parts.pieces.push(piece);
        parts
    }

    /// What stands between signs may go on behind them, as a row of letters does.
    #[expect(clippy::cast_precision_loss, reason = "at most a dozen")]
    fn guesses_log10(&self, enough: f64) -> f64 {
        let signs = self.signs.len().min(MOST_SIGNS) as f64;
        let apart = pieces_log10(&self.pieces, signs, enough);
        apart.min(pieces_log10(&[self.pieces.concat()], signs, enough))
    }
}

fn pieces_log10(pieces: &[String], mut sum: f64, enough: f64) -> f64 {
    for piece in pieces {
        let mut rest = piece.as_str();
        while !rest.is_empty() && sum < enough {
            let end = rest.char_indices().nth(AT_ONCE).map_or(rest.len(), |(end, _)| end);
            let (now, later) = rest.split_at(end);
            sum += zxcvbn::zxcvbn(now, &[]).guesses_log10();
            rest = later;
        }
    }
    sum
}

fn known_length(text: &[char], known: &[String]) -> usize {
    let begins = |word: &&String| {
        let mut left = text.iter();
        word.chars().all(|letter| left.next() == Some(&letter))
    };
    known.iter().find(begins).map_or(0, |word| word.chars().count())
}

/// How much of the text from here on stands in it before.
fn echo_length(text: &[char], at: usize) -> usize {
    let same = |start: usize| text[start..].iter().zip(&text[at..]).take_while(|(a, b)| a == b).count();
    (0..at).map(same).max().filter(|longest| *longest >= LEAST_ECHO).unwrap_or(0)
}

/// The letter that a sign stands for in words that are disguised; digits are left to zxcvbn.
fn letter_alike(sign: char) -> char {
    match sign {
        '@' => 'a',
        '(' | '{' | '[' | '<' => 'c',
        '!' => 'i',
        '|' => 'l',
        '$' => 's',
        '+' => 't',
        '%' => 'x',
        other => other,
    }
}

/// The digit on the same key, so that a row of keys is one with the shift key, too.
fn digit_below(sign: char) -> char {
    match sign {
        '!' => '1',
        '@' => '2',
        '#' => '3',
        '$' => '4',
        '%' => '5',
        '^' => '6',
        '&' => '7',
        '*' => '8',
        '(' => '9',
        ')' => '0',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// More than any estimate.
    const NEVER: f64 = 1e9;

    fn guesses(text: &str) -> f64 {
        guesses_log10(text, &[], NEVER)
    }

    #[test]
    fn signs_that_look_like_letters_cost_no_more_than_others() {
        // Alone, zxcvbn takes seconds for the first.
        for worst in ["4@8({[<369&1!|70$5+%2".repeat(5), "4@8({[<369&1!|70$5+%2".repeat(48), "01".repeat(512)]
        {
            let begin = Instant::now();
            guesses(&worst);
            assert!(begin.elapsed() < Duration::from_secs(1), "{:?} for {worst}", begin.elapsed());
        }
    }

    #[test]
    fn a_repeated_text_is_worth_what_it_is_once() {
        let once = guesses("k7x!q2vw");
        assert!((guesses(&"k7x!q2vw".repeat(40)) - once).abs() < 1.0, "{once}");
        assert!(guesses(&"ab1-".repeat(100)) < 5.0);
    }

    #[test]
    fn a_strong_end_counts_behind_a_weak_beginning() {
        let strong = guesses("c41f8a07d93be6525af0917d");
        assert!(guesses(&("password".repeat(20) + "c41f8a07d93be6525af0917d")) > strong - 1.0);
    }

    #[test]
    fn known_words_count_for_nothing_and_never_help() {
        let known = words(["Checkout Service", "acme", "adm"]);
        assert_eq!(known, ["checkout", "service", "acme", "adm"]);
        assert!(guesses_log10("acme-CHECKOUT-service", &known, NEVER) < 2.0);
        assert!(guesses_log10("administrator1", &known, NEVER) <= guesses("administrator1"));
    }

    #[test]
    fn rows_of_keys_and_disguised_words_are_seen() {
        let rows = ["!@#$%^&*()_+", "QWERTYUIOP{}", "abcdefghijklmnopqrstuvwxyz", "a-b-c-d-e-f-g-h-i-j-k-l"];
        for weak in rows.into_iter().chain(["p@$$w0rd", "p-a-s-s-w-o-r-d"]) {
            assert!(guesses(weak) < 6.0, "{weak}: {}", guesses(weak));
        }
    }
}
