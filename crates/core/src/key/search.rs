//! Finds keys in bytes of any kind, which come piece by piece.

use memchr::{memchr_iter, memmem};
use zeroize::Zeroize;

use super::text::{KeyText, PREFIX, TAIL_LENGTH};
use crate::Environment;
use crate::text::LABEL_LENGTH;

const LONGEST_LABEL: usize = *LABEL_LENGTH.end();
const LONGEST_TAG: usize = {
    let (mut longest, mut next) = (0, 0);
    while next < Environment::ALL.len() {
        let length = Environment::ALL[next].tag().len();
        longest = if length > longest { length } else { longest };
        next += 1;
    }
    longest
};
/// Most bytes that a key of our own form has.
pub const LONGEST_KEY: usize = PREFIX.len() + LONGEST_LABEL + 1 + LONGEST_TAG + 1 + TAIL_LENGTH;

/// A search in bytes that need not be text. What it keeps between pieces is shorter than one key, so that no key is lost
/// between two of them, and none is found twice.
#[derive(Default)]
pub struct KeySearch {
    /// The end of what was searched, and then the next piece.
    window: Vec<u8>,
    /// Line breaks before the window.
    breaks: u64,
}

/// A key of our own form, with good check digits, in what is searched. What stands right before it or behind it does not
/// matter: the check digits tell it from everything else.
#[derive(Clone, Copy)]
pub struct FoundKey<'w> {
    /// The whole secret.
    pub text: &'w str,
    /// The label in it.
    pub label: &'w str,
    /// Where it says it works.
    pub environment: Environment,
    /// The line it begins in, from 1.
    pub line: u64,
}

impl KeySearch {
    /// A search that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Searches the next piece, and tells each key that ends in it.
    pub fn read(&mut self, piece: &[u8], mut found: impl FnMut(FoundKey<'_>)) {
        let kept = self.window.len();
        self.window.extend_from_slice(piece);
        let (mut breaks, mut counted) = (self.breaks, 0);
        for at in memmem::find_iter(&self.window, PREFIX) {
            let Some((text, KeyText { label, environment })) = key_at(&self.window[at..]) else { continue };
            // One that ends in what was kept was told before.
            if at + text.len() > kept {
                breaks += line_breaks(&self.window[counted..at]);
                counted = at;
                found(FoundKey { text, label, environment, line: breaks + 1 });
            }
        }
        let passed = self.window.len().saturating_sub(LONGEST_KEY - 1);
        self.breaks += line_breaks(&self.window[..passed]);
        self.window.drain(..passed);
    }
}

/// Says nothing of what it keeps.
impl std::fmt::Debug for KeySearch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySearch(…)")
    }
}

/// Tells where, never which.
impl std::fmt::Debug for FoundKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundKey").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Drop for KeySearch {
    fn drop(&mut self) {
        self.window.zeroize();
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    memchr_iter(b'\n', bytes).count() as u64
}

/// The key that these bytes, which begin as one does, begin with.
fn key_at(bytes: &[u8]) -> Option<(&str, KeyText<'_>)> {
    let tag = part_behind(bytes, PREFIX.len(), LONGEST_LABEL)?;
    let tail = part_behind(bytes, tag, LONGEST_TAG)?;
    let text = std::str::from_utf8(bytes.get(..tail + TAIL_LENGTH)?).ok()?;
    Some((text, KeyText::parse(text).ok()??))
}

/// How many bytes of these are a key of our own form, if they begin with one.
pub(crate) fn masked_length(bytes: &[u8]) -> Option<usize> {
    bytes.starts_with(PREFIX.as_bytes()).then(|| key_at(bytes)).flatten().map(|(text, _)| text.len())
}

/// Where the part begins behind the one that begins at `from` and has at most `longest` bytes.
fn part_behind(bytes: &[u8], from: usize, longest: usize) -> Option<usize> {
    let length = bytes.get(from..)?.iter().take(longest + 1).position(|byte| *byte == b'_')?;
    Some(from + length + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use crate::key::mint;

    fn key(label: &str, environment: Environment) -> Secret {
        mint(&label.parse().unwrap(), environment, &[7; 32])
    }

    /// What is found, in pieces of so many bytes.
    fn found(bytes: &[u8], piece: usize) -> Vec<(String, u64)> {
        let (mut search, mut all) = (KeySearch::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            search.read(piece, |key| all.push((key.text.to_owned(), key.line)));
        }
        all
    }

    #[test]
    fn keys_are_found_with_their_lines_wherever_pieces_are_cut() {
        let (live, longest) = (key("ks", Environment::Production), key("abcdefghijkl", Environment::Staging));
        assert_eq!(longest.expose().len(), LONGEST_KEY);
        let (live, longest) = (live.expose(), longest.expose());
        let text = format!("\n\n{live}{live}x\n{longest}_sk_sk_{longest}\n\nsk_\n\\n{live}");
        let expected = [(live, 3), (live, 3), (longest, 4), (longest, 4), (live, 7)];
        for piece in 1..=text.len() {
            let all = found(text.as_bytes(), piece);
            let all: Vec<_> = all.iter().map(|(text, line)| (text.as_str(), *line)).collect();
            assert_eq!(all, expected, "{piece}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing() {
        let live = key("acme", Environment::Development);
        let bytes = [b"\0\xffsk_\xc3\x28", live.expose().as_bytes(), b"\xff\0"].concat();
        assert_eq!(found(&bytes, 16), [(live.expose().to_owned(), 1)]);
    }

    #[test]
    fn what_only_looks_like_a_key_is_none() {
        let live = key("acme", Environment::Production);
        let text = live.expose();
        let last = if text.ends_with('0') { "1" } else { "0" };
        for near in [
            text[..text.len() - 1].to_owned(),
            format!("{}{last}", &text[..text.len() - 1]),
            text.replace("live", "stage"),
            text.replace("acme", "acmf"),
            text.replace("acme", "ACME"),
            text.replace("sk_", "sk-"),
        ] {
            assert_eq!(found(near.as_bytes(), 64), [], "{near}");
        }
    }
}
