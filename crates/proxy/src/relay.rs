//! An answer on its way from an upstream to the client: piece by piece as it comes, and only as fast as the client takes it.
//!
//! Nothing is gathered: of an event that is not whole yet, at most [`crate::Frames`]' bound is in memory. Whatever ends the answer, its bill is
//! settled before the client sees the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use keystile_bearer::Kept;
use keystile_core::Refusal;
use keystile_core::llm::Protocol;

use crate::bill::Tab;
use crate::client::Place;
use crate::fault::Fault;
use crate::lasting::carry_on;
use crate::pieces::{Due, Pieces};
use crate::sse::{Frames, LONGEST_EVENT};
use crate::standing::Standing;
use crate::stats::{Counts, Ending, Streaming, Trouble};
use crate::usage::{Passing, Reading};

/// Most that is read of an answer whose client is gone, in bytes: far more than any model says in the time that there is for it.
const MOST_DRAINED: usize = 8 * 1024 * 1024;

/// The body of an answer that is passed on. When it is dropped before its end, the client is gone.
pub struct Relay {
    /// `None` when it is over.
    source: Option<Source>,
    /// A piece that is there, and may be passed on when the key still stands.
    piece: Option<Bytes>,
    standing: Standing,
    /// Whether it has to be asked about before anything more is passed on.
    is_doubtful: bool,
    pieces: Pieces,
    terms: Terms,
}

/// What still comes of an upstream.
pub(crate) struct Source {
    pub(crate) body: Incoming,
    pub(crate) form: Form,
    pub(crate) tab: Tab,
    /// What events take that are longer than most, so that all of them together have a bound.
    pub(crate) memory: Kept,
    #[expect(dead_code, reason = "the place is taken for as long as this lives")]
    pub(crate) place: Place,
    #[expect(dead_code, reason = "it is counted as open for as long as this lives")]
    pub(crate) streaming: Streaming,
}

/// What an answer consists of.
pub(crate) enum Form {
    /// Events, which tell what is used, each of at most so many bytes.
    Events(Frames, usize),
    /// Bytes that tell nothing, such as of audio.
    Opaque,
}

/// What is the same for the whole answer.
pub(crate) struct Terms {
    pub(crate) protocol: Protocol,
    /// How long it is read on when the client is gone; `None` if it is not.
    pub(crate) drain: Option<Duration>,
    pub(crate) counts: Arc<Counts>,
}

/// The answer broke off in a form that has no words for it, so that its end must not look like one.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

/// Why an answer is over.
enum Over {
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

impl Relay {
    pub(crate) const fn new(source: Source, standing: Standing, pieces: Pieces, terms: Terms) -> Self {
        Self { source: Some(source), piece: None, standing, is_doubtful: false, pieces, terms }
    }

    /// The next piece that may be passed on, or the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Over>> {
        loop {
            if self.is_doubtful {
                if let Err(refusal) = ready!(self.standing.poll(context)) {
                    return Poll::Ready(Err(Over::Cut(refusal)));
                }
                self.is_doubtful = false;
            }
            if let Some(piece) = self.piece.take() {
                return Poll::Ready(Ok(piece));
            }
            let Some(source) = &mut self.source else { return Poll::Ready(Err(Over::Stopped)) };
            match source.poll_next(context, &mut self.pieces) {
                Poll::Ready(Ok(_)) if self.pieces.is_over() => return Poll::Ready(Err(Over::Late)),
                Poll::Ready(Ok(piece)) => {
                    self.piece = Some(piece);
                    self.is_doubtful = true;
                }
                Poll::Ready(Err(over)) => return Poll::Ready(Err(over)),
                Poll::Pending => match ready!(self.pieces.poll(context)) {
                    Due::Look => self.is_doubtful = true,
                    Due::End => return Poll::Ready(Err(Over::Late)),
                },
            }
        }
    }

    /// Settles, and tells the client's last words, if there are any and they can be told.
    fn end(&mut self, over: Over) -> Result<Option<Bytes>, BrokenOff> {
        let Some(source) = self.source.take() else { return Ok(None) };
        let has_words = source.tells_usage();
        drop(source);
        let counts = &self.terms.counts;
        let fault = match over {
            Over::Whole(rest) => {
                counts.ended(Ending::Answered);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            Over::Broken => {
                counts.ended(Ending::UpstreamFailed);
                counts.trouble(Trouble::Broken);
                Fault::upstream_broke_off()
            }
            Over::Late => {
                counts.ended(Ending::UpstreamFailed);
                counts.trouble(Trouble::Late);
                Fault::upstream_timeout()
            }
            Over::Cut(refusal) => {
                counts.ended(Ending::Cut);
                Fault::of_refusal(&refusal, Some(self.standing.model()))
            }
            Over::Stopped => {
                counts.ended(Ending::Stopped);
                Fault::busy()
            }
        };
        if has_words { Ok(Some(fault.as_frame(self.terms.protocol))) } else { Err(BrokenOff) }
    }
}

impl Source {
    /// The next piece, which is read for what it tells of usage.
    fn poll_next(&mut self, context: &mut Context<'_>, pieces: &mut Pieces) -> Poll<Result<Bytes, Over>> {
        loop {
            if let Form::Events(frames, longest) = &mut self.form {
                if let Some(piece) = next_event((&mut *frames, *longest), &self.tab)? {
                    return Poll::Ready(Ok(piece));
                }
                if !has_room(frames, &mut self.memory) {
                    return Poll::Ready(Err(Over::Broken));
                }
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Err(Over::Broken)),
                None => return Poll::Ready(Err(self.rest())),
            };
            pieces.moved();
            let Ok(bytes) = frame.into_data() else { continue };
            match &mut self.form {
                Form::Events(frames, _) => frames.push(bytes),
                Form::Opaque if bytes.is_empty() => {}
                Form::Opaque => return Poll::Ready(self.tab.read(|_| bytes).ok_or(Over::Stopped)),
            }
        }
    }

    /// What is there when the upstream has ended.
    fn rest(&mut self) -> Over {
        match &mut self.form {
            Form::Events(frames, _) => {
                let rest = frames.rest();
                match self.tab.read(|reading| reading.frame(&rest)) {
                    Some(Passing::Pass) => Over::Whole(rest),
                    Some(Passing::Drop) => Over::Whole(Bytes::new()),
                    None => Over::Stopped,
                }
            }
            Form::Opaque => Over::Whole(Bytes::new()),
        }
    }

    /// Reads on, for what the answer tells of usage alone.
    async fn drain(mut self) {
        let Form::Events(frames, _) = &mut self.form else { return };
        let mut drained = 0;
        while let Some(Ok(frame)) = self.body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            drained += bytes.len();
            if drained > MOST_DRAINED || !has_room(frames, &mut self.memory) {
                return;
            }
            frames.push(bytes);
            for event in frames.by_ref() {
                if self.tab.read(|reading| is_last(reading, &event)).unwrap_or(true) {
                    return;
                }
            }
        }
    }

    /// Whether it consists of events, which tell what the answer cost, and could tell why it broke off.
    const fn tells_usage(&self) -> bool {
        matches!(self.form, Form::Events(..))
    }
}

/// Whether there is memory for an event of which more comes.
fn has_room(frames: &Frames, memory: &mut Kept) -> bool {
    frames.begun() <= LONGEST_EVENT || memory.reach(frames.begun()).is_ok()
}

/// The next event that the client is to have; `None` if there is none that is whole.
fn next_event((frames, longest): (&mut Frames, usize), tab: &Tab) -> Result<Option<Bytes>, Over> {
    for event in frames.by_ref() {
        if is_part(&event, longest) {
            return Err(Over::Broken);
        }
        match tab.read(|reading| reading.frame(&event)).ok_or(Over::Stopped)? {
            Passing::Pass => return Ok(Some(event)),
            Passing::Drop => {}
        }
    }
    Ok(None)
}

/// Whether nothing more has to be waited for behind this event.
fn is_last(reading: &mut Reading, event: &[u8]) -> bool {
    reading.frame(event);
    reading.is_complete()
}

/// Whether this is the beginning of an event that is longer than any answer has, which no client should have to take.
fn is_part(event: &[u8], longest: usize) -> bool {
    event.len() >= longest && !event.ends_with(b"\n") && !event.ends_with(b"\r")
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.source.is_none() {
            return Poll::Ready(None);
        }
        let told = match ready!(self.poll_piece(context)) {
            Ok(piece) => Ok(Some(piece)),
            Err(over) => self.end(over),
        };
        Poll::Ready(told.map(|piece| piece.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none()
    }
}

impl Drop for Relay {
    /// Without its client an answer is read on for its usage, or charged with what was counted of it.
    fn drop(&mut self) {
        let Some(source) = self.source.take() else { return };
        self.terms.counts.ended(Ending::Left);
        if let Some(within) = self.terms.drain
            && source.tells_usage()
        {
            carry_on(&self.terms.counts, within, source.drain());
        }
    }
}

/// Says nothing of what is passed on.
impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay")
    }
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
