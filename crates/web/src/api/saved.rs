//! Files to save: answers that are written piece by piece.

use std::error::Error;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderName;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use keystile_manage::Refused;

/// JSON, an object a line.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// A table (RFC 4180) with a line of names.
pub(crate) const CSV: &str = "text/csv; charset=utf-8; header=present";

/// What is written piece by piece.
pub(crate) trait Pieces: Send + 'static {
    /// What it is, for the log when it breaks off.
    const WHAT: &'static str;

    /// The next piece; nothing behind the end.
    fn next(&mut self) -> impl Future<Output = Result<Option<String>, Refused>> + Send;
}

/// An answer that browsers save under `name`, which must have no `"` and no character that is not ASCII.
pub(crate) fn saved(name: &str, media_type: &str, pieces: impl Pieces) -> Response {
    let headers: [(HeaderName, String); 3] = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_DISPOSITION, format!(r#"attachment; filename="{name}""#)),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, streamed(pieces)).into_response()
}

/// Reads each piece when the client has taken the one before. What fails on the way cuts the connection.
fn streamed<P: Pieces>(pieces: P) -> Body {
    let pieces = stream::try_unfold(pieces, |mut pieces| async move {
        let piece = pieces.next().await.inspect_err(|error| {
            tracing::error!(error = error as &dyn Error, "{} broke off", P::WHAT);
        })?;
        Ok::<_, Refused>(piece.map(|piece| (piece, pieces)))
    });
    Body::from_stream(pieces)
}
