//! What the LLM gateway is measured with: an upstream that answers at once, and a proxy that does nothing but pass on.
//!
//! `llm upstream ADDRESS`, or `llm proxy ADDRESS UPSTREAM`. Their connections are set up as those of `bare_hyper` are.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer of usual length.
const WHOLE: &str = r#"{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"The quick brown fox jumps over the lazy dog."},"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":10,"total_tokens":22}}"#;
/// One event of a stream.
const EVENT: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" fox\"},\"finish_reason\":null}]}\n\n";
/// What the events cost, and their end.
const END: &str = "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"bench\",\"choices\":[],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":20,\"total_tokens\":32}}\n\ndata: [DONE]\n\n";
/// Events of a stream.
const EVENTS: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.as_slice() {
        ["upstream", address] => runtime.block_on(upstream(address.parse()?)),
        ["proxy", address, upstream] => runtime.block_on(proxy(address.parse()?, upstream.parse()?)),
        _ => bail!("usage: llm upstream ADDRESS | llm proxy ADDRESS UPSTREAM"),
    }
}

async fn upstream(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let stream = accept(&listener).await?;
        let connection = http().serve_connection(TokioIo::new(stream), service_fn(answer)).into_owned();
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<impl Body<Data = Bytes, Error = BoxError> + Send>, Infallible> {
    let body =
        request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let streams = serde_json::from_slice::<Value>(&body).is_ok_and(|body| body["stream"] == true);
    let (content_type, body) = if streams {
        let events = std::iter::repeat_n(EVENT, EVENTS).chain([END]);
        let frames =
            events.map(|event| Ok::<_, Infallible>(Frame::data(Bytes::from_static(event.as_bytes()))));
        ("text/event-stream", Either::Left(StreamBody::new(stream::iter(frames))))
    } else {
        ("application/json", Either::Right(Full::new(Bytes::from_static(WHOLE.as_bytes()))))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

async fn proxy(address: SocketAddr, upstream: Authority) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let stream = accept(&listener).await?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let service = service_fn(move |request| pass_on(client.clone(), upstream.clone(), request));
        let connection = http().serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn pass_on(
    client: Client<HttpConnector, Incoming>,
    upstream: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Either<Incoming, Full<Bytes>>>> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(upstream));
    *request.uri_mut() = Uri::from_parts(parts).context("no URL of an upstream")?;
    request.headers_mut().remove(HOST);
    Ok(client.request(request).await.map_or_else(
        |_| {
            let mut response = Response::new(Either::Right(Full::default()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        },
        |response| response.map(Either::Left),
    ))
}

async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn http() -> Builder<TokioExecutor> {
    const MAX_READ: usize = 128 * 1024;
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().header_read_timeout(None).max_buf_size(MAX_READ);
    http
}
