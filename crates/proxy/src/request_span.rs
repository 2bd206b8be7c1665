//! To which request a line of the log belongs.

use tracing::Span;

/// What is logged within it belongs to the request of this name. Most requests log nothing, and a span for each would cost more than all
/// that is noted within it: it is made by whoever has to wait for what is nearly always in memory, or has something to say.
pub(crate) fn request_span(id: &str) -> Span {
    tracing::error_span!("request", id)
}
