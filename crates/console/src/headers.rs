//! What every page tells the browser beside itself, and its compression.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::assets::{gzipped, takes_gzip};

/// Everything comes from here, nothing stands in the page itself, and nobody frames it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Longest page that is compressed; they are made whole, and none comes near it.
const LONGEST: usize = 16 * 1024 * 1024;
/// Shortest that is: below it little is gained.
const SHORTEST: usize = 1024;

/// A page with a secret in it, which is not compressed: how long the result is would tell of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShowsSecret;

pub(super) async fn add(request: Request, next: Next) -> Response {
    let compresses = takes_gzip(request.headers());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Paths hold ids, and links of invitations more.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let is_secret = response.extensions_mut().remove::<ShowsSecret>().is_some();
    if compresses && is_page && !is_secret { compressed(response).await } else { response }
}

async fn compressed(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, LONGEST).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let smaller = (whole.len() >= SHORTEST).then(|| gzipped(&whole, Compression::fast())).flatten();
    parts.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(smaller) = smaller else { return Response::from_parts(parts, Body::from(whole)) };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(smaller))
}
