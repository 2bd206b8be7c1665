//! Events of a stream (the format `text/event-stream` of HTML), found in bytes that come piece by piece.
//!
//! An event is passed on as the bytes that it was, with the empty line that ends it, so that nothing is lost: all events and the rest, put
//! together, are what came in.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use memchr::{memchr2, memchr2_iter};

/// Longest event that is kept together unless more is asked for, in bytes: a chunk of text has a few hundred. What is longer is passed on in
/// pieces of this length.
pub const LONGEST_EVENT: usize = 1024 * 1024;

/// Splits a stream of bytes into events. Whoever takes all that are there before giving more has each byte copied once at the most.
#[derive(Debug)]
pub struct Frames {
    /// The beginning of an event whose end has not come.
    begun: BytesMut,
    /// What came last, as far as it was not taken.
    piece: Bytes,
    scan: Scan,
    longest: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl Frames {
    /// Keeps events of up to [`LONGEST_EVENT`] together.
    pub fn new() -> Self {
        Self::within(LONGEST_EVENT)
    }

    /// Keeps events of up to `longest` bytes together.
    pub fn within(longest: usize) -> Self {
        Self { begun: BytesMut::new(), piece: Bytes::new(), scan: Scan::default(), longest: longest.max(1) }
    }

    /// Adds bytes as they came.
    pub fn push(&mut self, piece: Bytes) {
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            let mut joined = BytesMut::from(&self.piece[..]);
            joined.extend_from_slice(&piece);
            self.piece = joined.freeze();
        }
    }

    /// How much of an event is kept whose end has not come, in bytes.
    pub(crate) fn begun(&self) -> usize {
        self.begun.len()
    }

    /// What is left when no more comes: an event without an end, or nothing.
    pub fn rest(&mut self) -> Bytes {
        self.begun.extend_from_slice(&std::mem::take(&mut self.piece));
        self.scan = Scan::default();
        std::mem::take(&mut self.begun).freeze()
    }

    /// So many bytes from the beginning. An event that came in one piece is not copied.
    fn take(&mut self, of_piece: usize) -> Bytes {
        let head = self.piece.split_to(of_piece);
        if self.begun.is_empty() {
            return head;
        }
        self.begun.extend_from_slice(&head);
        std::mem::take(&mut self.begun).freeze()
    }
}

/// Each event as soon as its end is there; `None` until more comes.
impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            let room = self.longest.saturating_sub(self.begun.len());
            let within = &self.piece[..room.min(self.piece.len())];
            let end = match self.scan.end_in(within) {
                Some(end) => end,
                None if within.len() == room => room,
                None => {
                    self.begun.extend_from_slice(&std::mem::take(&mut self.piece));
                    return None;
                }
            };
            let event = self.take(end);
            if !event.is_empty() {
                return Some(event);
            }
        }
    }
}

/// Where in an event the last byte was. Lines end in CR LF, LF or CR; an event ends in an empty line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scan {
    /// Before its first line, or at the beginning of a line whose predecessor ended in LF.
    #[default]
    Begin,
    /// Within a line.
    Line,
    /// Behind a CR that ended a line; an LF would belong to it.
    Ended,
    /// Behind a CR that ended an empty line, in an event with CR LF or LF; an LF would belong to it.
    Closing,
    /// Behind an event that ended in CR CR: an LF would still belong to it.
    Closed,
}

impl Scan {
    /// The length of what belongs to the event in `bytes`, if that has its end. What was looked at is not looked at again.
    fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let (next, end) = self.step(*byte);
            *self = next;
            match end {
                End::Open => {}
                End::Before => return Some(at),
                End::Behind => return Some(at + 1),
            }
            at += 1;
            if next == Self::Line {
                // Nothing is to be found before the line ends.
                at += memchr2(b'\n', b'\r', bytes.get(at..)?)?;
            }
        }
        None
    }

    fn step(self, byte: u8) -> (Self, End) {
        match (self, byte) {
            (Self::Begin | Self::Closing, b'\n') => (Self::Begin, End::Behind),
            (Self::Begin | Self::Closed, b'\r') => (Self::Closing, End::Open),
            (Self::Closing, _) => (Self::Begin, End::Before),
            (Self::Line | Self::Ended | Self::Closed, b'\n') => (Self::Begin, End::Open),
            (Self::Line, b'\r') => (Self::Ended, End::Open),
            (Self::Ended, b'\r') => (Self::Closed, End::Behind),
            (Self::Begin | Self::Line | Self::Ended | Self::Closed, _) => (Self::Line, End::Open),
        }
    }
}

/// Whether an event has ended with a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It goes on.
    Open,
    /// The byte is the first of the next one.
    Before,
    /// The byte is its last.
    Behind,
}

/// What an event says: the lines of `data`, joined; `None` if it has none, as a comment that keeps a connection alive.
pub(crate) fn data_of(event: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut data = lines(event).filter_map(|line| {
        let value = line.strip_prefix(b"data")?;
        match value.split_first() {
            None => Some(value),
            Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
            Some(_) => None,
        }
    });
    let first = data.next()?;
    let Some(second) = data.next() else { return Some(Cow::Borrowed(first)) };
    let mut joined = first.to_vec();
    for line in std::iter::once(second).chain(data) {
        joined.push(b'\n');
        joined.extend_from_slice(line);
    }
    Some(Cow::Owned(joined))
}

/// What stands between the ends of lines. One of CR LF has an empty line within.
fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr2_iter(b'\n', b'\r', event).chain(std::iter::once(event.len()));
    ends.scan(0, |begins, end| Some(event.get(std::mem::replace(begins, end + 1)..end).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
