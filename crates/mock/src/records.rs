//! What the mock was asked and what it billed, as far as there is room.

use std::collections::{HashMap, VecDeque};
use std::mem;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bills that are kept; older ones go. A test rarely has more requests, and each takes some 200 bytes.
const MAX_BILLED: usize = 100_000;
/// Most requests that are kept; each may have a body of [`MAX_BODY`].
const MAX_ASKED: usize = 2_000;
/// Longest part of a body that is kept, in bytes: what a test looks at, and no pictures.
const MAX_BODY: usize = 16 * 1024;
/// Most names of models whose requests are counted, so that a client that makes them up takes no memory.
const MAX_NAMES: usize = 10_000;
/// Most responses that can be read again.
const MAX_RESPONSES: usize = 100;

/// What a request used, as a provider bills it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens of the input that were neither read from a cache nor written to one.
    pub input: u64,
    /// Tokens that were read from a cache.
    pub cached_input: u64,
    /// Tokens that were written to a cache.
    pub cache_write: u64,
    /// Tokens of the output, thoughts among them.
    pub output: u64,
    /// Pictures.
    pub images: u64,
    /// Characters that were spoken.
    pub characters: u64,
    /// Milliseconds of sound that were heard.
    pub audio_millis: u64,
}

/// A request that a provider would bill.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Billed {
    /// The id of the answer.
    pub id: String,
    /// The path that was asked, without `/v1`.
    pub path: String,
    /// The model by the name by which it was asked for.
    pub model: String,
    /// What it really used, whatever the answer told.
    pub usage: Usage,
    /// Whether the answer was streamed.
    pub streamed: bool,
    /// Whether it came to its end; otherwise it was cut, or the client left.
    pub complete: bool,
}

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path, with `/v1` and the query.
    pub path: String,
    /// Its headers with names in small letters, credentials among them.
    pub headers: Vec<(String, String)>,
    /// The beginning of its body, as text.
    pub body: String,
}

impl Asked {
    pub(crate) fn new(head: &http::request::Parts, body: &[u8]) -> Self {
        let kept = body.get(..MAX_BODY).unwrap_or(body);
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(kept).into_owned(),
        }
    }

    /// A header, or nothing; `name` in small letters.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// Its body as JSON, or null, also when the body was too long to be kept whole.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// The last ones of something, and how many went before.
#[derive(Debug)]
pub(crate) struct Lasting<T> {
    kept: VecDeque<T>,
    most: usize,
    gone: u64,
}

impl<T: Clone> Lasting<T> {
    const fn new(most: usize) -> Self {
        Self { kept: VecDeque::new(), most, gone: 0 }
    }

    fn push(&mut self, one: T) {
        if self.kept.len() == self.most {
            self.kept.pop_front();
            self.gone += 1;
        }
        self.kept.push_back(one);
    }

    fn to_vec(&self) -> Vec<T> {
        self.kept.iter().cloned().collect()
    }
}

/// All that is remembered.
#[derive(Debug)]
pub(crate) struct Records {
    billed: Mutex<Lasting<Billed>>,
    asked: Mutex<Lasting<Asked>>,
    responses: Mutex<Lasting<(String, Value)>>,
    counts: Mutex<HashMap<String, u64>>,
}

impl Default for Records {
    fn default() -> Self {
        Self {
            billed: Mutex::new(Lasting::new(MAX_BILLED)),
            asked: Mutex::new(Lasting::new(MAX_ASKED)),
            responses: Mutex::new(Lasting::new(MAX_RESPONSES)),
            counts: Mutex::default(),
        }
    }
}

impl Records {
    pub(crate) fn bill(&self, billed: Billed) {
        self.billed.lock().push(billed);
    }

    pub(crate) fn note(&self, asked: Asked) {
        self.asked.lock().push(asked);
    }

    /// The bills that are kept, and how many are gone.
    pub(crate) fn billed(&self) -> (Vec<Billed>, u64) {
        let billed = self.billed.lock();
        (billed.to_vec(), billed.gone)
    }

    /// The requests that are kept, and how many are gone.
    pub(crate) fn asked(&self) -> (Vec<Asked>, u64) {
        let asked = self.asked.lock();
        (asked.to_vec(), asked.gone)
    }

    /// Counts a request for a model: the how-manieth it is. Names for which there is no room are always asked for the first time.
    pub(crate) fn count(&self, model: &str) -> u64 {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(model) {
            *count += 1;
            return *count;
        }
        if counts.len() < MAX_NAMES {
            counts.insert(model.to_owned(), 1);
        }
        1
    }

    pub(crate) fn keep_response(&self, id: &str, response: &Value) {
        self.responses.lock().push((id.to_owned(), response.clone()));
    }

    pub(crate) fn response(&self, id: &str) -> Option<Value> {
        let responses = self.responses.lock();
        responses.kept.iter().find(|(own, _)| own == id).map(|(_, response)| response.clone())
    }

    pub(crate) fn forget_response(&self, id: &str) -> Option<Value> {
        let mut responses = self.responses.lock();
        let at = responses.kept.iter().position(|(own, _)| own == id)?;
        responses.kept.remove(at).map(|(_, response)| response)
    }

    /// Forgets everything.
    pub(crate) fn reset(&self) {
        let Self { billed, asked, responses, counts } = Self::default();
        *self.billed.lock() = billed.into_inner();
        *self.asked.lock() = asked.into_inner();
        *self.responses.lock() = responses.into_inner();
        drop(mem::replace(&mut *self.counts.lock(), counts.into_inner()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_any_more_is_counted() {
        let mut lasting = Lasting::new(2);
        (1..=5).for_each(|one| lasting.push(one));
        assert_eq!((lasting.to_vec(), lasting.gone), (vec![4, 5], 3));
    }

    #[test]
    fn requests_are_counted_for_each_name_until_a_reset() {
        let records = Records::default();
        assert_eq!((records.count("a"), records.count("a"), records.count("b")), (1, 2, 1));
        records.reset();
        assert_eq!(records.count("a"), 1);
    }
}
