//! What still comes of an upstream: read for what it tells of usage, and given out piece by piece.
//!
//! Nothing is gathered: of an event that is not whole yet, at most [`crate::Frames`]' bound is in memory, and of an answer that is no stream
//! what had room before.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use keystile_bearer::Kept;
use keystile_core::Refusal;

use crate::bill::Tab;
use crate::client::Coming;
use crate::operation::Operation;
use crate::pieces::Pieces;
use crate::sse::{Frames, LONGEST_EVENT};
use crate::stats::Streaming;
use crate::usage::{Eye, Glance, Passing, Reading, Sieve};

/// Most that is read of a stream whose client is gone, in bytes: far more than any model says in the time that there is for it. What comes
/// as a whole was made before, and has its usage at its end.
const MOST_DRAINED: usize = 8 * 1024 * 1024;

/// What still comes of an upstream.
pub(crate) struct Source {
    pub(crate) body: Coming,
    pub(crate) form: Form,
    pub(crate) tab: Tab,
    /// What events take that are longer than most, and what was read of an answer before there was no room for it, so that all of them
    /// together have a bound.
    pub(crate) memory: Kept,
    #[expect(dead_code, reason = "it is counted as open for as long as this lives")]
    pub(crate) streaming: Streaming,
}

/// What an answer consists of.
pub(crate) enum Form {
    /// Events, which tell what is used.
    Events(Events),
    /// An answer that comes as a whole, and is longer than there is memory for.
    Long(Long),
    /// Bytes that tell nothing, such as of audio.
    Opaque,
}

/// Events as they come.
pub(crate) struct Events {
    frames: Frames,
    /// Most bytes of one.
    longest: usize,
    eye: Eye,
}

impl Events {
    /// Those of an answer to this operation.
    pub(crate) fn of(operation: &Operation) -> Self {
        let longest = operation.longest_event();
        Self { frames: Frames::within(longest), longest, eye: Eye::of(operation) }
    }

    /// The next one that the client is to have; `None` if there is none that is whole. It is read before the bill is looked at.
    fn next_for_client(&mut self, tab: &Tab, memory: &mut Kept) -> Result<Option<Bytes>, Over> {
        for event in self.frames.by_ref() {
            if is_part(&event, self.longest) {
                return Err(Over::Broken);
            }
            match look(self.eye, &event, tab, memory, Reading::note)? {
                Passing::Pass => return Ok(Some(event)),
                Passing::Drop => {}
            }
        }
        Ok(None)
    }

    /// Whether one of those that are there is the last for which it is worth waiting.
    fn have_ended(&mut self, tab: &Tab, memory: &mut Kept) -> bool {
        let eye = self.eye;
        let is_last = |reading: &mut Reading, glance: &Glance| {
            reading.note(glance);
            reading.is_complete()
        };
        self.frames.by_ref().any(|event| look(eye, &event, tab, memory, is_last).unwrap_or(true))
    }

    /// Whether there is memory for one of which more comes.
    fn have_room(&self, memory: &mut Kept) -> bool {
        self.frames.begun() <= LONGEST_EVENT || memory.reach(self.frames.begun()).is_ok()
    }
}

/// Looks at an event, and tells its bill what was seen. One that is longer than most is looked at only if there is memory for it.
fn look<T>(
    eye: Eye,
    event: &[u8],
    tab: &Tab,
    memory: &mut Kept,
    note: impl FnOnce(&mut Reading, &Glance) -> T,
) -> Result<T, Over> {
    if event.len() > LONGEST_EVENT && memory.reach(event.len()).is_err() {
        return Err(Over::Broken);
    }
    let glance = eye.look(event);
    tab.read(|reading| note(reading, &glance)).ok_or(Over::Stopped)
}

/// An answer that is looked through for its usage, which stands at its end as a rule, while it passes.
pub(crate) struct Long {
    /// What was read before it was known to be one.
    begun: Option<Bytes>,
    sieve: Sieve,
}

impl Long {
    pub(crate) fn of(begun: Bytes) -> Self {
        let mut sieve = Sieve::default();
        sieve.pass(&begun);
        Self { begun: Some(begun).filter(|begun| !begun.is_empty()), sieve }
    }
}

/// Why an answer is over.
pub(crate) enum Over {
    /// All of it was passed on, but for a last part that is no whole event.
    Whole(Bytes),
    /// The upstream broke off, or sent what is no answer.
    Broken,
    /// The upstream took too long.
    Late,
    /// The key may not have it any more.
    Cut(Refusal),
    /// Its bill was settled, as the server stops.
    Stopped,
}

impl Source {
    /// The next piece, which is read for what it tells of usage.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        pieces: &mut Pieces,
    ) -> Poll<Result<Bytes, Over>> {
        loop {
            match &mut self.form {
                Form::Events(events) => {
                    if let Some(piece) = events.next_for_client(&self.tab, &mut self.memory)? {
                        return Poll::Ready(Ok(piece));
                    }
                    if !events.have_room(&mut self.memory) {
                        return Poll::Ready(Err(Over::Broken));
                    }
                }
                Form::Long(long) => match long.begun.take() {
                    Some(begun) => return Poll::Ready(self.count(begun)),
                    // It is on its way to the client.
                    None => self.memory.release(),
                },
                Form::Opaque => {}
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Err(Over::Broken)),
                None => return Poll::Ready(Err(self.rest())),
            };
            pieces.moved();
            let Ok(bytes) = frame.into_data() else { continue };
            match &mut self.form {
                Form::Events(events) => events.frames.push(bytes),
                Form::Long(_) | Form::Opaque if bytes.is_empty() => {}
                Form::Long(long) => {
                    long.sieve.pass(&bytes);
                    return Poll::Ready(self.count(bytes));
                }
                Form::Opaque => return Poll::Ready(self.give(bytes)),
            }
        }
    }

    /// Gives something out of which nothing has to be noted, unless the bill was settled meanwhile.
    fn give(&self, bytes: Bytes) -> Result<Bytes, Over> {
        self.tab.read(|_| bytes).ok_or(Over::Stopped)
    }

    /// Gives a piece of a long answer, which may be text.
    fn count(&self, bytes: Bytes) -> Result<Bytes, Over> {
        let passed = |reading: &mut Reading| {
            reading.passed(bytes.len());
            bytes
        };
        self.tab.read(passed).ok_or(Over::Stopped)
    }

    /// What is there when the upstream has ended.
    fn rest(&mut self) -> Over {
        match &mut self.form {
            Form::Events(events) => {
                let rest = events.frames.rest();
                match look(events.eye, &rest, &self.tab, &mut self.memory, Reading::note) {
                    Ok(Passing::Pass) => Over::Whole(rest),
                    Ok(Passing::Drop) => Over::Whole(Bytes::new()),
                    Err(over) => over,
                }
            }
            Form::Long(long) => {
                let found = long.sieve.found();
                let note = |reading: &mut Reading| found.iter().for_each(|found| reading.found(found));
                self.tab.read(note).map_or(Over::Stopped, |()| Over::Whole(Bytes::new()))
            }
            Form::Opaque => Over::Whole(Bytes::new()),
        }
    }

    /// Reads on, for what the answer tells of usage alone. What nobody is given any more takes no memory meanwhile.
    pub(crate) async fn drain(mut self) {
        if let Form::Long(long) = &mut self.form {
            let begun = long.begun.take().unwrap_or_default();
            self.memory.release();
            if self.count(begun).is_err() {
                return;
            }
        }
        let mut drained = 0;
        while let Some(Ok(frame)) = self.body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            match &mut self.form {
                Form::Events(events) => {
                    drained += bytes.len();
                    let has_room = drained <= MOST_DRAINED && events.have_room(&mut self.memory);
                    events.frames.push(bytes);
                    if !has_room || events.have_ended(&self.tab, &mut self.memory) {
                        return;
                    }
                }
                Form::Long(long) => {
                    long.sieve.pass(&bytes);
                    if self.count(bytes).is_err() {
                        return;
                    }
                }
                Form::Opaque => return,
            }
        }
        let _settled_with_this = self.rest();
    }

    /// Whether it tells what the answer cost.
    pub(crate) const fn tells_usage(&self) -> bool {
        matches!(self.form, Form::Events(_) | Form::Long(_))
    }

    /// Whether it consists of events, of which one more could tell why it broke off.
    pub(crate) const fn takes_words(&self) -> bool {
        matches!(self.form, Form::Events(_))
    }
}

/// Whether this is the beginning of an event that is longer than any answer has, which no client should have to take.
fn is_part(event: &[u8], longest: usize) -> bool {
    event.len() >= longest && !event.ends_with(b"\n") && !event.ends_with(b"\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_too_long_when_its_end_is_not_within_the_bound() {
        assert!(is_part(b"data: ab", 8));
        assert!(!is_part(b"data: a\n\n", 8) && !is_part(b"data: a\r\r", 8) && !is_part(b"data: a", 8));
    }
}
