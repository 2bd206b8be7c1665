//! JSON bodies: read within bounds, with errors that name the field and the rule but never echo a value.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use keystile_bearer::{NoRoom, Part, Room};
use keystile_core::Invalid;
use serde::de::DeserializeOwned;

use crate::problem::{ApiProblem, BUSY};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Longest body that is read, but for those that say otherwise.
pub const MAX_BODY: usize = 1024 * 1024;
/// Longest body that is read of somebody who is not known yet: far more than signing in takes.
pub const MAX_EARLY: usize = 64 * 1024;
/// How much longer than that a body may be that is read only to be dropped: enough for honest mistakes.
const MAX_DROPPED: usize = 8 * MAX_BODY;
/// Longest that is spent on it.
const MAX_DROPPING: Duration = Duration::from_secs(5);

/// How bodies are read.
#[derive(Debug)]
pub struct Reading {
    /// Longest that one may take.
    pub(crate) within: Duration,
    /// Memory for all that are not there wholly.
    pub(crate) room: Room,
}

/// Reads a whole JSON body of at most `longest` bytes into `T`, and gives its bytes, too.
pub(crate) async fn read_whole<T, B>(
    headers: &HeaderMap,
    body: B,
    reading: &Reading,
    longest: usize,
) -> Result<(T, Bytes), ApiProblem>
where
    T: DeserializeOwned,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    require_json(headers)?;
    let mut part = reading.room.part();
    let bytes = read_bytes(headers, body, (reading.within, &mut part), longest).await?;
    parse_json(&bytes).map(|value| (value, bytes))
}

/// Reads a whole body that says it is JSON, of at most [`MAX_BODY`] bytes.
pub(crate) async fn read_json<B>(headers: &HeaderMap, body: B, reading: &Reading) -> Result<Bytes, ApiProblem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    require_json(headers)?;
    let mut part = reading.room.part();
    read_bytes(headers, body, (reading.within, &mut part), MAX_BODY).await
}

/// Like [`read_whole`], but a body that is left out stands for the default.
pub(crate) async fn read_optional<T, B>(
    headers: &HeaderMap,
    body: B,
    reading: &Reading,
    longest: usize,
) -> Result<(T, Bytes), ApiProblem>
where
    T: DeserializeOwned + Default,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut part = reading.room.part();
    let bytes = read_bytes(headers, body, (reading.within, &mut part), longest).await?;
    if bytes.is_empty() {
        return Ok((T::default(), bytes));
    }
    require_json(headers)?;
    parse_json(&bytes).map(|value| (value, bytes))
}

/// Reads the fields of a form of at most `longest` bytes.
pub async fn read_form<T, B>(
    headers: &HeaderMap,
    body: B,
    reading: &Reading,
    longest: usize,
) -> Result<T, ApiProblem>
where
    T: DeserializeOwned,
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    const FORM: &str = "application/x-www-form-urlencoded";
    require(headers, &[FORM])?;
    let mut part = reading.room.part();
    let bytes = read_bytes(headers, body, (reading.within, &mut part), longest).await?;
    parse_fields(&bytes)
}

/// Reads fields as they stand in a form or a query.
pub fn parse_fields<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiProblem> {
    refuse_other_than_utf8(text)?;
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
    let read = serde_path_to_error::deserialize(reader);
    read.map_err(|error| broken_rule(&error.path().to_string(), &error.inner().to_string()).into())
}

/// The reader of fields puts U+FFFD where something is no UTF-8, which would then be looked for.
fn refuse_other_than_utf8(text: &[u8]) -> Result<(), Invalid> {
    const REPLACED: char = '\u{FFFD}';
    let has = |pair: &[u8], what: &[u8]| pair.windows(what.len()).any(|part| part.eq_ignore_ascii_case(what));
    for pair in text.split(|byte| *byte == b'&') {
        let is_meant = has(pair, "\u{FFFD}".as_bytes()) || has(pair, b"%EF%BF%BD");
        for (name, value) in form_urlencoded::parse(pair) {
            if !is_meant && (name.contains(REPLACED) || value.contains(REPLACED)) {
                return Err(Invalid::new(name.into_owned(), "must be UTF-8"));
            }
        }
    }
    Ok(())
}

fn require_json(headers: &HeaderMap) -> Result<(), ApiProblem> {
    require(headers, &["application/json", "application/merge-patch+json"])
}

/// Goes on with a body of one of these types; the first is the usual one.
fn require(headers: &HeaderMap, types: &[&str]) -> Result<(), ApiProblem> {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if types.iter().any(|one| essence.eq_ignore_ascii_case(one)) {
        return Ok(());
    }
    let usual = types.first().copied().unwrap_or_default();
    Err(ApiProblem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        format!("send `Content-Type: {usual}`"),
    ))
}

/// Reads a whole body of at most `longest` bytes, within the time and with its part of the memory.
pub(crate) async fn read_bytes<B>(
    headers: &HeaderMap,
    body: B,
    (within, part): (Duration, &mut Part<'_>),
    longest: usize,
) -> Result<Bytes, ApiProblem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut problem = too_large(longest);
    if body.size_hint().lower() <= longest as u64 {
        let mut whole = pin!(gather(Limited::new(body.as_mut(), longest), part));
        let gathered = match look_twice(whole.as_mut()).await {
            Some(gathered) => gathered,
            None => tokio::time::timeout(within, whole).await.map_err(|_| took_too_long())?,
        };
        match gathered {
            Ok(bytes) => return Ok(bytes),
            Err(error) if error.is::<LengthLimitError>() => {}
            Err(error) if error.is::<NoRoom>() => problem = busy(),
            Err(_) => return Err(broke_off()),
        }
    }
    if !headers.contains_key(EXPECT) {
        Box::pin(drop_rest(body, longest + MAX_DROPPED)).await;
    }
    Err(problem)
}

/// Takes a body that is one frame, as nearly all are, without copying it. What has to be kept until more comes takes
/// its part of the memory.
async fn gather(
    body: impl Body<Data = Bytes, Error = BoxError>,
    part: &mut Part<'_>,
) -> Result<Bytes, BoxError> {
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        part.grow(piece.len())?;
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The outcome, if it is there when looked for twice. A body that came together with its head is, and so needs
/// no timer; that and not copying it saved 1,500 of the 48,400 instructions of a verification.
async fn look_twice<F: Future>(mut work: Pin<&mut F>) -> Option<F::Output> {
    let mut looked = false;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if looked => Poll::Ready(None),
        Poll::Pending => {
            looked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// Reads what a client is still sending: if the connection were closed under it, it might not see the answer.
async fn drop_rest<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, most: usize) {
    let drop_frames = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > most {
                break;
            }
        }
    };
    // However it ends, the answer is the same.
    let _in_time = tokio::time::timeout(MAX_DROPPING, drop_frames).await;
}

fn broke_off() -> ApiProblem {
    ApiProblem::new(StatusCode::BAD_REQUEST, "body_unreadable", "the body broke off")
}

fn busy() -> ApiProblem {
    ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, NoRoom.to_string())
}

fn took_too_long() -> ApiProblem {
    ApiProblem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body took too long")
}

fn too_large(longest: usize) -> ApiProblem {
    ApiProblem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("a body has at most {longest} bytes"),
    )
}

/// Reads a JSON object.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiProblem> {
    // To serde a list may stand for a struct, its items for the fields in order; to us it may not.
    if !is_object(bytes) {
        return Err(explain_no_object(bytes));
    }
    // The plain parser is faster; only a body that breaks a rule is read again to find out where.
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(error) => Err(explain(&error.path().to_string(), error.inner())),
        Ok(_) => Err(malformed("there is something behind the end of the JSON value")),
    }
}

/// Reads a JSON list of objects, for a caller that may send more than is known here.
pub(crate) fn parse_list<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, ApiProblem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize::<_, Vec<T>>(&mut reader);
    let list = read.map_err(|error| explain(&error.path().to_string(), error.inner()))?;
    reader.end().map_err(|_| malformed("there is something behind the end of the JSON value"))?;
    Ok(list)
}

fn is_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

fn explain_no_object(bytes: &[u8]) -> ApiProblem {
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Ok(_) => ApiProblem::invalid([Invalid::new("", "must be an object")]),
        Err(error) => explain("", &error),
    }
}

fn malformed(detail: impl Into<String>) -> ApiProblem {
    ApiProblem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
}

fn explain(path: &str, error: &serde_json::Error) -> ApiProblem {
    if !error.is_data() {
        return malformed(format!("the body is no JSON: {error}"));
    }
    let message = error.to_string();
    let rule = message.rsplit_once(" at line ").map_or(message.as_str(), |(rule, _)| rule);
    ApiProblem::invalid([broken_rule(path, rule)])
}

/// The rule in our words. What serde says of a wrong value quotes the value, which may be a secret in the wrong
/// place, so only what it expected is told.
pub(crate) fn broken_rule(path: &str, rule: &str) -> Invalid {
    let path = if path == "." { "" } else { path };
    let named = |prefix: &str| rule.strip_prefix(prefix)?.split_once('`').map(|(name, _)| name.to_owned());
    let expected = rule.rsplit_once(", expected ").map(|(_, expected)| expected);
    if let Some(field) = named("unknown field `") {
        let within = path.strip_suffix(&field).unwrap_or(path).trim_end_matches('.');
        return Invalid::new(join(within, &field), "is not a field here");
    }
    if let Some(field) = named("missing field `") {
        return Invalid::new(join(path, &field), "is required");
    }
    if let Some(field) = named("duplicate field `") {
        return Invalid::new(
            join(path.strip_suffix(&field).unwrap_or(path).trim_end_matches('.'), &field),
            "stands here twice",
        );
    }
    match expected {
        Some(expected) => Invalid::new(path.to_owned(), format!("must be {}", in_words(expected))),
        None => Invalid::new(path.to_owned(), rule.to_owned()),
    }
}

/// What serde expected, without the names of Rust's types.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" | "u64" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "f64" => "a number",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use hyper::body::Frame;

    use super::*;

    fn refused(body: &str) -> (String, String) {
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Shape {
            name: String,
            limits: Option<Vec<Inner>>,
        }
        #[derive(serde::Deserialize, Debug)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its shape matters")]
        struct Inner {
            limit: u64,
        }
        let problem = parse_json::<Shape>(body.as_bytes()).unwrap_err();
        let rendered = problem.render(&keystile_bearer::RequestIds::new(1).of(&HeaderMap::new(), &[]));
        let json: serde_json::Value = serde_json::from_slice(rendered.body()).unwrap();
        (
            json["code"].as_str().unwrap().to_owned(),
            json["errors"][0]["field"].as_str().unwrap_or_default().to_owned(),
        )
    }

    /// A body whose pieces come one at a time, and which then ends or falls silent.
    struct Pieces {
        left: Vec<&'static str>,
        ends: bool,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.left.pop() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    #[tokio::test]
    async fn pieces_of_a_body_are_put_together_and_a_silent_client_is_not_waited_for() {
        let read = async |ends| {
            let body = Pieces { left: vec!["c", "", "ab"], ends };
            let room = Room::new(3);
            let within = Duration::from_millis(1);
            read_bytes(&HeaderMap::new(), body, (within, &mut room.part()), MAX_BODY).await
        };
        assert_eq!(read(true).await.unwrap(), "abc");
        let silent = read(false).await.unwrap_err().into_response();
        assert_eq!(silent.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn the_field_is_named_with_its_path() {
        let invalid = |field: &str| ("invalid_request".to_owned(), field.to_owned());
        assert_eq!(refused(r#"{"name": 1}"#), invalid("name"));
        assert_eq!(refused(r#"{"limits": []}"#), invalid("name"));
        assert_eq!(refused(r#"{"name": "a", "extra": 1}"#), invalid("extra"));
        assert_eq!(refused(r#"{"name": "a", "name": "b"}"#), invalid("name"));
        assert_eq!(refused(r#"{"name": "a", "limits": [{"limit": -1}]}"#), invalid("limits[0].limit"));
        assert_eq!(refused(r#"{"name": "a", "limits": [{"limit": 1, "x": 2}]}"#), invalid("limits[0].x"));
        assert_eq!(refused(r#"["a", null]"#), invalid(""));
        assert_eq!(refused(" null"), invalid(""));
        assert_eq!(refused(r"{").0, "malformed_json");
        assert_eq!(refused(r"[").0, "malformed_json");
        assert_eq!(refused(r#"{"name": "a"} {}"#).0, "malformed_json");
    }

    #[test]
    fn a_wrong_value_is_not_echoed() {
        let told =
            broken_rule("rpm_limit", "invalid type: string \"sk_ks_live_secret, expected x\", expected u64");
        assert_eq!(
            (told.field.as_ref(), told.rule.as_ref()),
            ("rpm_limit", "must be a whole number, 0 or more")
        );
    }
}
