//! Whether anything happens on a connection, and whether it is anything good.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Frame, SizeHint};

/// Requests one after the other that are refused for their credentials until a connection is taken for one that brings nothing else: more
/// than a client that is set up wrongly sends in a hurry, and few beside those of a flood.
const NOTHING_GOOD: u32 = 32;

/// What happens on one connection. It counts and reads no clock, as it belongs to every request.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    open: AtomicUsize,
    moves: AtomicUsize,
    /// Requests that were refused for their credentials since the last other one.
    refused: AtomicU32,
}

/// A request that is being answered.
pub(crate) struct Open<'a>(&'a Pace);

impl Pace {
    /// A request begins; it ends when the value is dropped.
    pub(crate) fn begin(&self) -> Open<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }

    /// A request was answered so.
    pub(crate) fn answered(&self, status: StatusCode) {
        let refused = self.refused.load(Ordering::Relaxed);
        if status == StatusCode::UNAUTHORIZED {
            self.refused.store(refused.saturating_add(1), Ordering::Relaxed);
        } else if refused > 0 {
            self.refused.store(0, Ordering::Relaxed);
        }
    }

    /// Whether nothing but bad credentials have come for a while.
    pub(crate) fn brings_bad_credentials(&self) -> bool {
        self.refused.load(Ordering::Relaxed) >= NOTHING_GOOD
    }

    fn step(&self) {
        self.moves.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is the client's turn, and has been since `moves` was noted, which is brought up to date.
    pub(crate) fn is_idle(&self, moves: &mut usize) -> bool {
        let before = std::mem::replace(moves, self.moves.load(Ordering::Relaxed));
        before == *moves && self.open.load(Ordering::Relaxed) == 0
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.step();
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body of unknown length, each piece of which is taken when the client has room for it.
pub(crate) struct Paced {
    body: axum::body::Body,
    pace: Arc<Pace>,
    /// The client has room and the piece is not there yet: it is our turn.
    is_awaited: bool,
}

impl Paced {
    fn is_awaited(&mut self, is_awaited: bool) {
        match (std::mem::replace(&mut self.is_awaited, is_awaited), is_awaited) {
            (false, true) => std::mem::forget(self.pace.begin()),
            (true, false) => drop(Open(&self.pace)),
            (true, true) | (false, false) => self.pace.step(),
        }
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.is_awaited(false);
    }
}

/// The body; one that is streamed tells of its pieces.
pub(crate) fn paced(body: axum::body::Body, pace: &Arc<Pace>) -> axum::body::Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    axum::body::Body::new(Paced { body, pace: Arc::clone(pace), is_awaited: false })
}

impl Body for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.is_awaited(frame.is_pending());
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_nothing_is_open_and_nothing_moved() {
        let (pace, mut moves) = (Pace::default(), 0);
        assert!(pace.is_idle(&mut moves));
        let open = pace.begin();
        assert!(!pace.is_idle(&mut moves), "it is our turn");
        drop(open);
        assert!(!pace.is_idle(&mut moves), "the client has had no time yet");
        assert!(pace.is_idle(&mut moves));
    }

    #[tokio::test]
    async fn each_piece_of_a_stream_is_a_move() {
        let (pace, mut moves) = (Arc::new(Pace::default()), 0);
        let pieces = futures_util::stream::iter(["a", "b"].map(Ok::<_, std::convert::Infallible>));
        let mut body = paced(axum::body::Body::from_stream(pieces), &pace);
        for _ in 0..2 {
            assert!(http_body_util::BodyExt::frame(&mut body).await.is_some());
            assert!(!pace.is_idle(&mut moves));
        }
        assert!(pace.is_idle(&mut moves));
    }

    #[tokio::test]
    async fn a_piece_that_is_not_there_yet_is_not_waited_for_by_the_client() {
        let (pace, mut moves) = (Arc::new(Pace::default()), 0);
        let never = futures_util::stream::pending::<Result<&str, std::convert::Infallible>>();
        let mut body = paced(axum::body::Body::from_stream(never), &pace);
        assert!(pace.is_idle(&mut moves), "nobody asked for a piece");
        let ask = http_body_util::BodyExt::frame(&mut body);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), ask).await.is_err());
        for _ in 0..2 {
            assert!(!pace.is_idle(&mut moves));
        }
        drop(body);
        assert!(!pace.is_idle(&mut moves));
        assert!(pace.is_idle(&mut moves));
    }
}
