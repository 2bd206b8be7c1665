//! An answer on its way from an upstream to the client: piece by piece as it comes, and only as fast as the client takes it.
//!
//! Nothing is gathered: of an event that is not whole yet, at most [`crate::Frames`]' bound is in memory. Whatever ends the answer, its bill is
//! settled before the client sees the end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use keystile_core::llm::Protocol;

use crate::fault::Fault;
use crate::lasting::carry_on;
use crate::pieces::{Due, Pieces};
use crate::source::{Over, Source};
use crate::standing::Standing;
use crate::stats::{Counts, Ending, Trouble};

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
        let has_words = source.takes_words();
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
