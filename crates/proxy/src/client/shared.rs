//! A connection on which many requests are under way at a time (HTTP/2). A task of its own carries it on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::unanswered::Unanswered;
use crate::connector::Stream;

/// Time between two signs of life that are asked for on a connection in use, and longest that one may take.
const PING: Duration = Duration::from_secs(15);
/// Requests on one connection: an upstream takes about a hundred, and what is beyond that would wait.
const MOST_REQUESTS: usize = 64;
/// Most of an answer that comes before its client has taken what came earlier.
const AHEAD: u32 = 256 * 1024;
/// The same of all answers on a connection together, so that clients that take nothing leave those of others their part.
const AHEAD_OF_ALL: u32 = 64 * AHEAD;

/// A connection that is open, as far as is known. Clones are the same.
#[derive(Clone)]
pub(super) struct Shared {
    sender: SendRequest<Full<Bytes>>,
    marks: Arc<Marks>,
}

#[derive(Default)]
struct Marks {
    /// Requests under way.
    open: AtomicUsize,
    /// Whether it was used since somebody has last looked.
    is_used: AtomicBool,
}

/// A request that is under way until the value is dropped.
pub(super) struct Place(Arc<Marks>);

impl Shared {
    /// Needs a Tokio runtime, whose task carries the connection on until nobody has it any more.
    pub(super) async fn begin(stream: Stream) -> hyper::Result<Self> {
        let mut settings = http2::Builder::new(TokioExecutor::new());
        settings
            .timer(TokioTimer::new())
            .initial_stream_window_size(AHEAD)
            .initial_connection_window_size(AHEAD_OF_ALL)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        let (sender, connection) = settings.handshake(stream).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, marks: Arc::default() })
    }

    /// Whether it takes another request without one having to wait.
    pub(super) fn has_room(&self) -> bool {
        self.open() < MOST_REQUESTS
    }

    /// Whether it takes requests at all.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Whether it is this one.
    pub(super) fn is_same(&self, other: Option<&Self>) -> bool {
        other.is_some_and(|other| Arc::ptr_eq(&self.marks, &other.marks))
    }

    /// Requests under way.
    pub(super) fn open(&self) -> usize {
        self.marks.open.load(Ordering::Relaxed)
    }

    /// Whether anybody has used it since this was last asked, or still does.
    pub(super) fn was_used(&self) -> bool {
        self.marks.is_used.swap(false, Ordering::Relaxed) || self.open() > 0
    }

    /// Takes a place for a request, also where there is no room.
    pub(super) fn place(&self) -> Place {
        self.marks.open.fetch_add(1, Ordering::Relaxed);
        self.marks.is_used.store(true, Ordering::Relaxed);
        Place(Arc::clone(&self.marks))
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        self.sender.try_send_request(request).await.map_err(Unanswered::of)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_take_nothing_leave_the_others_of_their_connection_room() {
        let streams = u32::try_from(MOST_REQUESTS).unwrap();
        assert!(AHEAD_OF_ALL >= streams * AHEAD);
    }
}
