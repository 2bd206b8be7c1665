//! A small client that asserts.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::wait::DEADLINE;

/// No JSON body.
pub const NOTHING: Value = Value::Null;

/// A client of one server. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
    /// Its body as JSON, or null.
    pub json: Value,
}

/// An answer whose body comes piece by piece. Dropping it closes the connection.
#[derive(Debug)]
pub struct Streamed {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    body: BoxBody<Bytes, String>,
    /// What has come and is no whole event yet.
    rest: String,
}

impl Http {
    /// A client with connections of its own.
    pub fn new(address: &str) -> Self {
        Self::with(address, &Client::builder(TokioExecutor::new()))
    }

    /// A client that sends all of its requests at once over one HTTP/2 connection.
    pub fn http2(address: &str) -> Self {
        Self::with(address, Client::builder(TokioExecutor::new()).http2_only(true))
    }

    fn with(address: &str, builder: &hyper_util::client::legacy::Builder) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { client: builder.build(connector), address: address.to_owned() }
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_send(&self, request: http::request::Builder, body: Bytes) -> Result<Answer, String> {
        let request = request.body(Full::new(body)).unwrap();
        let answer = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        let text = String::from_utf8(body.to_vec()).map_err(|error| format!("{error:?}"))?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, text, json })
    }

    /// Sends a request as it is, and reads the head of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_open(&self, request: http::request::Builder, body: Bytes) -> Result<Streamed, String> {
        let request = request.body(Full::new(body)).unwrap();
        let answer = self.client.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(|error| format!("{error:?}")).boxed();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        Ok(Streamed { status, headers, body, rest: String::new() })
    }

    /// The body of the answer to a request, which may be no text.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn bytes(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Bytes {
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap().to_bytes()
    }

    /// Sends a request as it is.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Answer {
        self.try_send(request, body.into()).await.unwrap()
    }

    /// A request to `path`.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let method: Method = method.parse().unwrap();
        Request::builder().method(method).uri(format!("http://{}{path}", self.address))
    }

    /// Sends JSON, or no body for [`NOTHING`], with `credential` as it stands behind `Authorization:`; none
    /// when it is empty.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn try_json(
        &self,
        method: &str,
        path: &str,
        credential: &str,
        body: &Value,
    ) -> Result<Answer, String> {
        let mut request = self.request(method, path);
        if !credential.is_empty() {
            request = request.header(AUTHORIZATION, credential);
        }
        if body.is_null() {
            return self.try_send(request, Bytes::new()).await;
        }
        let body = serde_json::to_vec(body).unwrap();
        self.try_send(request.header(CONTENT_TYPE, "application/json"), body.into()).await
    }

    /// Sends JSON, or no body for [`NOTHING`], with `credential` as it stands behind `Authorization:`; none
    /// when it is empty.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn json(&self, method: &str, path: &str, credential: &str, body: &Value) -> Answer {
        self.try_json(method, path, credential, body).await.unwrap()
    }
}

impl Streamed {
    /// The next event of a stream of events (SSE), without the empty line behind it; nothing at the end.
    ///
    /// # Errors
    /// When the connection ends before the stream does.
    pub async fn try_event(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let event = event.to_owned();
                self.rest = rest.to_owned();
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let piece = frame?.into_data().unwrap_or_default();
            self.rest += std::str::from_utf8(&piece).map_err(|error| error.to_string())?;
        }
    }

    /// The next event of a stream that does not break off.
    ///
    /// # Panics
    /// When it does, or has ended.
    pub async fn event(&mut self) -> String {
        self.try_event().await.unwrap().expect("the stream has ended")
    }

    /// All further events, until the end or until the connection is gone.
    pub async fn events(mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Ok(Some(event)) = self.try_event().await {
            events.push(event);
        }
        events
    }

    /// A header, or nothing.
    ///
    /// # Panics
    /// When it is no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// What stands behind `data:` of an event, as JSON, or null.
pub fn told(event: &str) -> Value {
    let line = event.lines().find_map(|line| line.strip_prefix("data:"));
    line.and_then(|line| serde_json::from_str(line.trim()).ok()).unwrap_or(Value::Null)
}

impl Answer {
    /// The body of an answer with this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Checks that this is a problem of RFC 9457 with this status and code, with all members and nothing more.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["type"], format!("urn:keystile:problem:{code}"));
        assert_eq!(self.json["status"], status);
        for member in ["title", "detail"] {
            assert!(
                self.json[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {}",
                self.text
            );
        }
        let id = self.json["request_id"].as_str().unwrap_or_default();
        assert!(!id.is_empty() && id == self.header("x-request-id"), "{id}: {:?}", self.headers);
        let known = [
            "type",
            "title",
            "status",
            "code",
            "detail",
            "request_id",
            "errors",
            "current_version",
            "error",
            "error_description",
        ];
        let members = self.json.as_object().unwrap().keys();
        let unknown: Vec<_> = members.filter(|name| !known.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?}: {}", self.text);
        assert_eq!(status == 401, self.headers.contains_key("www-authenticate"), "{:?}", self.headers);
    }

    /// The fields that a problem names.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.json["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["field"].as_str()).collect()
    }
}

/// Sends bytes over a connection of their own and reads until the server closes it; nothing when it cannot be
/// reached. What is not UTF-8 in the answer is replaced.
pub fn raw(address: &str, bytes: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    // The server may answer and close before it has read everything.
    let _written = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}
