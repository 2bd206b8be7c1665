//! An answer that is there as a whole and on its way to the client, for as long as which it takes memory.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, SizeHint};
use keystile_bearer::Kept;

use crate::gateway::GatewayBody;

/// Most that is given out at once, in bytes: what was given out waits in buffers of the connection, which have bounds of their own.
const PIECE: usize = 64 * 1024;

/// The body of an answer that is there. It takes its part of the memory until the last of it was given out.
pub struct Whole {
    rest: Bytes,
    /// `None` when nothing of it is left.
    memory: Option<Kept>,
}

impl Whole {
    /// The body for an answer for which so much memory is taken. One that is a single piece needs none once it is passed on.
    pub(crate) fn body(bytes: Bytes, memory: Kept) -> GatewayBody {
        if bytes.len() <= PIECE {
            return Either::Left(Full::new(bytes));
        }
        Either::Right(Either::Left(Self { rest: bytes, memory: Some(memory) }))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        if self.rest.is_empty() {
            self.memory = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Says nothing of what is passed on.
impl fmt::Debug for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Whole")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http_body_util::BodyExt;
    use keystile_bearer::Room;

    use super::*;

    /// The body of an answer of so many bytes, which has its part of the room.
    fn body(room: &Arc<Room>, length: usize) -> GatewayBody {
        let mut part = room.part();
        part.grow(length).unwrap();
        Whole::body(vec![b'x'; length].into(), room.keep(part))
    }

    async fn piece(body: &mut GatewayBody) -> Option<usize> {
        Some(body.frame().await?.unwrap().into_data().unwrap().len())
    }

    #[tokio::test]
    async fn an_answer_takes_memory_until_its_last_piece_is_given_out() {
        let room = Arc::new(Room::new(1024 * 1024));
        let length = 2 * PIECE + 7;
        let mut body = body(&room, length);
        assert_eq!(body.size_hint().exact(), Some(length as u64));
        for rest in [PIECE + 7, 7] {
            assert_eq!(piece(&mut body).await, Some(PIECE));
            assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(rest as u64), false));
            assert_eq!(room.held_of_most().0, length);
        }
        assert_eq!(piece(&mut body).await, Some(7));
        assert_eq!((room.held_of_most().0, body.is_end_stream()), (0, true));
        assert_eq!(piece(&mut body).await, None);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_to_its_end_gives_its_memory_back_all_the_same() {
        let room = Arc::new(Room::new(1024 * 1024));
        let mut body = body(&room, PIECE + 1);
        assert_eq!(piece(&mut body).await, Some(PIECE));
        assert_eq!(room.held_of_most().0, PIECE + 1);
        drop(body);
        assert_eq!(room.held_of_most().0, 0);
    }

    #[tokio::test]
    async fn a_single_piece_takes_none() {
        let room = Arc::new(Room::new(PIECE));
        let mut body = body(&room, PIECE);
        assert_eq!(room.held_of_most().0, 0);
        assert_eq!((piece(&mut body).await, piece(&mut body).await), (Some(PIECE), None));
    }
}
