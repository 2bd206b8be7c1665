//! What a search has found: keys, each with the places where it stands.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read};

use keystile_core::key::{FoundKey, KeySearch, SecretFacts};
use keystile_core::{Digest, Environment, Secret};
use serde::Serialize;

/// Most places that are kept of one key; the others are counted.
const MOST_PLACES: usize = 100;
/// How much is read at a time. Files and histories are never in memory as a whole.
const PIECE: usize = 64 * 1024;

/// Where a key stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Place {
    /// The file, from where the search began; none in a message, and where no commit leads to any more.
    pub(super) path: Option<String>,
    /// The line, from 1.
    pub(super) line: u64,
    /// The oldest commit that has it there; none in the files themselves.
    pub(super) commit: Option<String>,
    /// The object of the history in which it stands.
    pub(super) object: Option<String>,
}

/// A key, of which only the beginning is kept.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) digest: Digest,
    pub(super) start: String,
    pub(super) label: String,
    pub(super) environment: Environment,
    pub(super) places: Vec<Place>,
    /// How many places there are, those that are not kept included.
    pub(super) total: u64,
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    by_digest: HashMap<Digest, usize>,
    /// What could not be read, and may have keys.
    pub(super) unread: u64,
}

/// Stands for a key among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FindingIndex(usize);

impl Findings {
    /// Takes a key down, which has no place yet.
    pub(super) fn note(&mut self, key: FoundKey<'_>) -> FindingIndex {
        let secret = Secret::new(key.text);
        let SecretFacts { digest, key_prefix: start, .. } = SecretFacts::of(&secret);
        let next = self.found.len();
        let index = *self.by_digest.entry(digest).or_insert(next);
        if index == next {
            let (label, environment) = (key.label.to_owned(), key.environment);
            self.found.push(Finding { digest, start, label, environment, places: Vec::new(), total: 0 });
        }
        FindingIndex(index)
    }

    /// Takes down where a key stands.
    pub(super) fn place(&mut self, FindingIndex(index): FindingIndex, place: Place) {
        if let Some(finding) = self.found.get_mut(index) {
            finding.total += 1;
            if finding.places.len() < MOST_PLACES {
                finding.places.push(place);
            }
        }
    }

    /// The keys that stand anywhere, in the order in which they were found.
    pub(super) fn into_keys(self) -> Vec<Finding> {
        self.found.into_iter().filter(|finding| finding.total > 0).collect()
    }
}

/// Reads what may have keys, in pieces.
pub(super) struct Reader(Box<[u8]>);

impl Reader {
    pub(super) fn new() -> Self {
        Self(vec![0; PIECE].into())
    }

    /// Tells every key until the end.
    pub(super) fn keys(
        &mut self,
        from: &mut impl Read,
        mut found: impl FnMut(FoundKey<'_>),
    ) -> io::Result<()> {
        let mut search = KeySearch::new();
        loop {
            match from.read(&mut self.0) {
                Ok(0) => return Ok(()),
                Ok(length) => search.read(&self.0[..length], &mut found),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::key::mint;

    use super::*;

    #[test]
    fn a_key_is_found_once_with_all_its_places_and_without_its_secret() {
        let secret = mint(&"acme".parse().unwrap(), Environment::Staging, &[7; 32]);
        let lines = format!("{}\n", secret.expose()).repeat(2 * PIECE / 70);
        let (mut findings, mut reader) = (Findings::default(), Reader::new());
        let place = |line| Place { path: Some("a".to_owned()), line, commit: None, object: None };
        reader
            .keys(&mut lines.as_bytes(), |key| {
                let index = findings.note(key);
                findings.place(index, place(key.line));
            })
            .unwrap();
        let keys = findings.into_keys();
        let [key] = &keys[..] else { unreachable!("{keys:?}") };
        assert_eq!((key.total, key.places.len()), (lines.lines().count() as u64, MOST_PLACES));
        assert_eq!((&key.places[99], key.digest), (&place(100), secret.digest()));
        assert!(secret.expose().starts_with(&key.start) && key.start.len() == "sk_acme_stage_".len() + 4);
    }

    #[test]
    fn a_key_without_a_place_is_none() {
        let secret = mint(&"acme".parse().unwrap(), Environment::Staging, &[7; 32]);
        let mut findings = Findings::default();
        let read = Reader::new().keys(&mut secret.expose().as_bytes(), |key| {
            let _without_place = findings.note(key);
        });
        read.unwrap();
        assert!(findings.into_keys().is_empty());
    }
}
