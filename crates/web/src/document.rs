//! The OpenAPI document as it is served: written once.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use keystile_core::Digest;
use utoipa::openapi::OpenApi;

/// The document's bytes and their name.
#[derive(Clone)]
pub(crate) struct Document {
    text: Bytes,
    tag: HeaderValue,
}

impl Document {
    pub(crate) fn new(document: &OpenApi) -> Self {
        let text = Bytes::from(serde_json::to_vec(document).unwrap_or_default());
        let tag = HeaderValue::try_from(format!("\"{}\"", Digest::of(&text).to_hex()));
        Self { text, tag: tag.unwrap_or(HeaderValue::from_static("\"\"")) }
    }

    /// The document, unless the client has it.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let tag = (ETAG, self.tag.clone());
        if self.is_known(headers) {
            return (StatusCode::NOT_MODIFIED, [tag]).into_response();
        }
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ([json, tag], self.text.clone()).into_response()
    }

    /// Compares weakly, as RFC 9110, section 13.1.2, wants it: proxies that compress make tags weak.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let mut tags = lines.flat_map(|line| line.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == self.tag.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_the_document_does_not_get_it_again() {
        let document = Document::new(&crate::openapi());
        let own = document.tag.to_str().unwrap().to_owned();
        let status = |line: &str| {
            document.answer(&HeaderMap::from_iter([(IF_NONE_MATCH, line.parse().unwrap())])).status().as_u16()
        };
        for line in [&own, &format!("W/{own}"), &format!("\"other\", {own}"), "*"] {
            assert_eq!(status(line), 304, "{line}");
        }
        for line in ["", "\"other\"", own.trim_matches('"')] {
            assert_eq!(status(line), 200, "{line}");
        }
        assert_eq!(document.answer(&HeaderMap::new()).status(), 200);
    }
}
