//! The body of an upstream's answer, with the connection that it comes over.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::shared::Place;
use super::single::Lent;

/// What comes of an upstream. When it has come to its end its connection is there for others; when it is dropped before, that is closed, or
/// the upstream told that nobody wants the rest.
pub(crate) struct Coming {
    body: Incoming,
    over: Over,
}

/// The connection.
enum Over {
    Single(Lent),
    #[expect(dead_code, reason = "the place is taken for as long as this lives")]
    Shared(Place),
}

impl Coming {
    pub(super) const fn of_single(body: Incoming, lent: Lent) -> Self {
        Self { body, over: Over::Single(lent) }
    }

    pub(super) const fn of_shared(body: Incoming, place: Place) -> Self {
        Self { body, over: Over::Shared(place) }
    }

    fn give_back(&mut self) {
        match &mut self.over {
            Over::Single(lent) => lent.give_back(),
            Over::Shared(_) => {}
        }
    }
}

impl Body for Coming {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, over } = &mut *self;
        let polled = match over {
            Over::Single(lent) => lent.poll_body(body, context),
            Over::Shared(_) => Pin::new(body).poll_frame(context),
        };
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}
