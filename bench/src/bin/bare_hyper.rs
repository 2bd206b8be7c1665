//! The ceiling: an HTTP server that reads each body and answers with a text that never changes.
//!
//! `bare_hyper ADDRESS ANSWER`. Its connections are set up as those of `crates/web/src/server.rs` are, but nothing bounds the time of
//! a head, so that what Keystile spends on that is seen.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

const MAX_READ: usize = 128 * 1024;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("usage: bare_hyper ADDRESS ANSWER")?.parse()?;
    let body = Bytes::from(arguments.next().unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(address, body))
}

async fn serve(address: SocketAddr, body: Bytes) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().header_read_timeout(None).max_buf_size(MAX_READ);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let body = body.clone();
        let service = service_fn(move |request| answer(request, body.clone()));
        let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(request: Request<Incoming>, body: Bytes) -> Result<Response<Full<Bytes>>, Infallible> {
    drop(request.into_body().collect().await);
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
