//! Why a request over one connection has no answer.

use std::error::Error;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::TrySendError;

use super::Failure;

/// A request as it is sent.
pub(super) type Sent = Request<Full<Bytes>>;

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The connection was closed before anything was sent over it; the request is here.
    Unsent(Box<Sent>),
    /// Something may have been sent.
    Broken(hyper::Error),
}

impl Unanswered {
    pub(super) fn of(mut error: TrySendError<Sent>) -> Self {
        match error.take_message() {
            Some(unsent) => Self::Unsent(Box::new(unsent)),
            None => Self::Broken(error.into_error()),
        }
    }

    /// The same for who cannot send it again.
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Unsent(_) => Failure::Unconnected,
            // What is given up as cancelled was not sent.
            Self::Broken(error) if error.is_canceled() => Failure::Unconnected,
            Self::Broken(error) if is_unprocessed(error) => Failure::Unprocessed,
            Self::Broken(_) => Failure::Broken,
        }
    }
}

/// Whether an upstream says that it has not looked at a request and never will: it refuses its stream, or leaves out its number when it
/// goes away (RFC 9113, section 8.7). Streams that it does not leave out then end in other errors, if they end in one.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else {
        return false;
    };
    let is_refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    cause.is_remote() && (is_refused || cause.is_go_away())
}
