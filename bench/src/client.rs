//! A small HTTP client for what is not load: setting up, and measuring one request at a time.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::response::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// One connection that is kept open.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The JSON of an answer that is a success.
    pub(crate) fn json(&self) -> Result<Value> {
        if !self.status.is_success() {
            bail!("{}: {}", self.status, String::from_utf8_lossy(&self.body));
        }
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// A text in the JSON, by its pointer (RFC 6901).
    pub(crate) fn text(&self, pointer: &str) -> Result<String> {
        let json = self.json()?;
        let text = json.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("the answer lacks {pointer}"))?.to_owned())
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender })
    }

    pub(crate) async fn get(&mut self, path: &str, authorization: &str) -> Result<Answer> {
        self.send(Method::GET, path, authorization, Bytes::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, authorization: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, authorization, body.to_string().into()).await
    }

    pub(crate) async fn patch(&mut self, path: &str, authorization: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PATCH, path, authorization, body.to_string().into()).await
    }

    async fn send(&mut self, method: Method, path: &str, authorization: &str, body: Bytes) -> Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "bench")
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, authorization);
        self.ask(request.body(Full::new(body))?).await
    }

    /// Sends any request.
    pub(crate) async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer> {
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        let Parts { status, headers, .. } = parts;
        Ok(Answer { status, headers, body: body.collect().await?.to_bytes() })
    }
}
