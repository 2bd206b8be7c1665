//! A connection on which one request is under way at a time (HTTP/1). Whoever waits for its answer carries it on; no task does.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, Connection, SendRequest};

use super::origin::Origin;
use super::turn::Turn;
use super::unanswered::Unanswered;
use crate::connector::Stream;

/// How often a connection is polled in one go that moves by itself; then others have their turn.
const TURNS: usize = 8;

/// A connection that is open, as far as is known.
pub(super) struct Single {
    sender: SendRequest<Full<Bytes>>,
    /// `None` when it has come to its end.
    connection: Option<Connection<Stream, Full<Bytes>>>,
    turn: Arc<Turn>,
    waker: Waker,
}

impl Single {
    pub(super) async fn begin(stream: Stream) -> hyper::Result<Box<Self>> {
        let (sender, connection) = http1::handshake(stream).await?;
        let turn = Arc::<Turn>::default();
        let waker = Waker::from(Arc::clone(&turn));
        Ok(Box::new(Self { sender, connection: Some(connection), turn, waker }))
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let mut answering = std::pin::pin!(self.sender.try_send_request(request));
        let answered = std::future::poll_fn(|context| {
            carry(&mut self.connection, (&self.turn, &self.waker), context, |context| {
                answering.as_mut().poll(context)
            })
        });
        answered.await.map_err(Unanswered::of)
    }

    fn poll_body(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        carry(&mut self.connection, (&self.turn, &self.waker), context, |context| {
            Pin::new(&mut *body).poll_frame(context)
        })
    }

    /// Whether it can take another request.
    pub(super) fn is_free(&self) -> bool {
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Nobody waits for it from now on: it wakes nobody.
    pub(super) fn rest(&self) {
        self.turn.forget();
    }

    /// Whether its other side has not closed it, of one that rests.
    pub(super) fn is_open(&mut self) -> bool {
        let mut context = Context::from_waker(&self.waker);
        let is_over = match &mut self.connection {
            Some(connection) => Pin::new(connection).poll(&mut context).is_ready(),
            None => true,
        };
        !is_over && self.is_free()
    }
}

/// Carries a connection on as long as it moves, until there is what is waited for. The connection is polled first: what comes of it comes
/// by that alone.
fn carry<T>(
    connection: &mut Option<Connection<Stream, Full<Bytes>>>,
    (turn, waker): (&Turn, &Waker),
    context: &mut Context<'_>,
    mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    turn.begin(context.waker());
    for _ in 0..TURNS {
        let mut own = Context::from_waker(waker);
        if let Some(open) = connection
            && Pin::new(open).poll(&mut own).is_ready()
        {
            // What waits for it is told by its end.
            *connection = None;
        }
        if let Poll::Ready(value) = look(&mut own) {
            turn.end();
            return Poll::Ready(value);
        }
        if !turn.goes_on() {
            return Poll::Pending;
        }
    }
    turn.end();
    context.waker().wake_by_ref();
    Poll::Pending
}

/// A connection that belongs to one answer, and goes back to the others of its upstream when that has come to its end.
pub(super) struct Lent {
    single: Option<Box<Single>>,
    origin: Arc<Origin>,
}

impl Lent {
    pub(super) const fn new(single: Box<Single>, origin: Arc<Origin>) -> Self {
        Self { single: Some(single), origin }
    }

    /// What comes next of the answer's body.
    pub(super) fn poll_body(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut self.single {
            Some(single) => single.poll_body(body, context),
            None => Pin::new(body).poll_frame(context),
        }
    }

    /// The answer is over: gives the connection back, if it can be used further.
    pub(super) fn give_back(&mut self) {
        if let Some(single) = self.single.take() {
            self.origin.give_back(single);
        }
    }
}
