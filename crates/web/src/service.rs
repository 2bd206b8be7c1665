//! One request: its id, the client's address, and the way to whoever answers it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::api::verification::verify_key;
use crate::authz::{envoy, forward};
use crate::pace::{Pace, paced};
use crate::problem::ApiProblem;
use crate::state::App;
use keystile_bearer::{ClientIp, RequestId, X_REQUEST_ID, client_ip};

/// A body that is in memory, or one that axum made.
pub(crate) type AnyBody = Either<Full<Bytes>, axum::body::Body>;

/// Where the one hot path that takes a body is mounted.
pub(crate) const VERIFY_PATH: &str = "/api/v1/keys/verify";

/// Longest request head, in bytes.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// Most header lines.
pub(crate) const MAX_LINES: usize = 100;
/// What a header line has beside name and value: a colon, a space and the end of the line.
const AROUND_A_HEADER: usize = 4;

/// Answers the requests of one connection.
pub(crate) trait Answering: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<AnyBody>> + Send;
}

/// Answers what the API is asked.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) peer: IpAddr,
    pub(crate) pace: Arc<Pace>,
}

impl Answering for Service {
    /// Answers one request. The two hot paths do not go through the router: matching a table and boxing
    /// futures would cost them more than the verification itself. What is rare is boxed, because the future of
    /// a request is copied when it starts.
    async fn answer(&self, request: Request<Incoming>) -> Response<AnyBody> {
        let _open = self.pace.begin();
        let request_id = self.app.request_ids.of(request.headers(), &self.app.settings.key_headers);
        let client = client_ip(self.peer, request.headers(), &self.app.settings.trusted_proxies);
        let path = request.uri().path();
        let mut response = if is_head_too_long(target_length(request.uri()), request.headers()) {
            render(ApiProblem::head_too_long(), &request_id)
        } else if path == VERIFY_PATH && request.method() == Method::POST {
            let (parts, body) = request.into_parts();
            let verified = verify_key(&self.app, &parts.headers, body, client, &request_id).await;
            verified
                .map_or_else(|problem| render(problem, &request_id), |response| response.map(Either::Left))
        } else if path.starts_with(forward::PATH) {
            let query = request.uri().query().unwrap_or_default();
            let authorized = forward::authorize(&self.app, path, query, request.headers(), client).await;
            authorized.map_or_else(
                |problem| render(problem, &request_id),
                |response| response.map(|()| Either::Left(Full::default())),
            )
        } else {
            Box::pin(self.route(request, client, &request_id)).await
        };
        response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        response
    }
}

impl Service {
    async fn route(
        &self,
        mut request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Response<AnyBody> {
        let started = Instant::now();
        let (method, path) = (request.method().clone(), self.app.words.shown(request.uri().path()));
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(request_id.clone());
        let Ok(mut response) = self.router.clone().oneshot(request.map(axum::body::Body::new)).await;
        let response = match response.extensions_mut().remove::<ApiProblem>() {
            Some(problem) => keep_allow(&response, render(problem, request_id)),
            None => response.map(|body| Either::Right(paced(body, &self.pace))),
        };
        let (status, micros) = (response.status().as_u16(), started.elapsed().as_micros());
        tracing::info!(%method, path, status, micros, %client, request_id = request_id.as_str(), "answered");
        response
    }
}

/// Answers what an Envoy asks by gRPC.
pub(crate) struct EnvoyService {
    pub(crate) app: App,
    pub(crate) peer: IpAddr,
    pub(crate) pace: Arc<Pace>,
}

impl Answering for EnvoyService {
    async fn answer(&self, request: Request<Incoming>) -> Response<AnyBody> {
        let _open = self.pace.begin();
        envoy::call(&self.app, self.peer, request).await
    }
}

/// Whether a head is longer than a request may have, with a target of so many bytes.
pub(crate) fn is_head_too_long(target: usize, headers: &HeaderMap) -> bool {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + AROUND_A_HEADER;
    headers.len() > MAX_LINES || target + headers.iter().map(line).sum::<usize>() > MAX_HEAD
}

fn target_length(uri: &Uri) -> usize {
    uri.path().len() + uri.query().map_or(0, str::len)
}

fn render(problem: ApiProblem, request_id: &RequestId) -> Response<AnyBody> {
    problem.render(request_id).map(|body| Either::Left(Full::new(Bytes::from(body))))
}

/// The router's `Allow` header outlives the body of a 405 that is replaced.
fn keep_allow(routed: &Response<axum::body::Body>, mut rendered: Response<AnyBody>) -> Response<AnyBody> {
    if let Some(allow) = routed.headers().get(http::header::ALLOW) {
        rendered.headers_mut().insert(http::header::ALLOW, allow.clone());
    }
    rendered
}
