//! One request: its id, the client's address, and the way to whoever answers it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::MatchedPath;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use keystile_engine::with_receipt;
use tower::ServiceExt;
use tracing::{Instrument, Span};

use crate::api::verification::verify_key;
use crate::authz::{envoy, forward};
use crate::gateway;
use crate::metrics::{Face, Hot, Listener, Verb};
use crate::pace::{Pace, paced};
use crate::problem::ApiProblem;
use crate::request_log::{Answered, Called, RefusedWith};
use crate::state::App;
use crate::traces::Traced;
use keystile_bearer::{ClientIp, RequestId, X_REQUEST_ID, client_ip};

/// A body that is in memory, or one that axum made.
pub(crate) type AnyBody = Either<Full<Bytes>, axum::body::Body>;

/// Where the one hot path that takes a body is mounted.
pub(crate) const VERIFY_PATH: &str = "/api/v1/keys/verify";

/// Tells which nodes have heard of a change.
const REVISION: HeaderName = HeaderName::from_static("keystile-revision");
/// Stands for the route of what nothing is mounted for.
const UNMATCHED: &str = "unmatched";
/// Longest request head, in bytes.
pub(crate) const MAX_HEAD: usize = 64 * 1024;
/// Most header lines; as many as hyper reads in HTTP/1.
pub(crate) const MAX_LINES: usize = 100;
/// What a header line has beside name and value: a colon, a space and the end of the line.
const AROUND_A_HEADER: usize = 4;

/// An answer, the route that it is of, and the code of a refusal.
type Routed = (Response<AnyBody>, Option<MatchedPath>, Option<&'static str>);

/// Answers the requests of one connection.
pub(crate) trait Answering: Send + Sync + 'static {
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<AnyBody>> + Send;
}

/// What does not pass the router.
#[derive(Debug, Clone, Copy)]
enum Quick {
    Verify,
    Authz,
}

impl Quick {
    const fn hot(self) -> Hot {
        match self {
            Self::Verify => Hot::Verify,
            Self::Authz => Hot::Authz,
        }
    }
}

/// Answers what the API is asked, or operations.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) serves: Listener,
    pub(crate) peer: IpAddr,
    pub(crate) pace: Arc<Pace>,
}

impl Answering for Service {
    /// Answers one request. The two hot paths do not go through the router: matching a table and boxing
    /// futures would cost them more than the verification itself. What is rare, or takes long, is boxed, because the future of
    /// a request is copied when it starts.
    async fn answer(&self, request: Request<Incoming>) -> Response<AnyBody> {
        let _open = self.pace.begin();
        let request_id = self.app.request_ids.of(request.headers(), &self.app.settings.key_headers);
        let client = client_ip(self.peer, request.headers(), &self.app.settings.trusted_proxies);
        let mut response = match self.quick(&request) {
            Some(quick) => self.answer_quickly(quick, request, client, &request_id).await,
            None if self.serves == Listener::Api && gateway::is_for_gateway(&request) => {
                Box::pin(self.pass_on(request, client, &request_id)).await
            }
            None => {
                let routed = self.route(request, client, &request_id);
                Box::pin(routed.instrument(in_request(&request_id))).await
            }
        };
        self.pace.answered(response.status());
        response.headers_mut().insert(X_REQUEST_ID, request_id.into_header());
        response
    }
}

impl Service {
    async fn answer_quickly(
        &self,
        quick: Quick,
        request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Response<AnyBody> {
        let hot = quick.hot();
        let (verb, began) = (Verb::of(request.method()), self.app.metrics.begin(hot));
        let response = match self.traced(&request, verb, request_id) {
            None => self.decide(quick, request, client, request_id).await,
            Some(traced) => {
                let decided = self.decide(quick, request, client, request_id).instrument(traced.0.clone());
                let response = Box::pin(decided).await;
                traced.answered(hot.route(), verb, response.status());
                response
            }
        };
        let status = response.status();
        self.app.metrics.answered(hot, verb, status, began);
        if status.is_server_error() && self.app.failures_logged.allows() {
            let (method, path, status) = (verb.name(), hot.route(), status.as_u16());
            tracing::info!(method, path, %client, status, request_id = request_id.as_str(), "answered");
        }
        response
    }

    /// Lets the LLM gateway answer. What it logs says itself of which request it is.
    async fn pass_on(
        &self,
        request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Response<AnyBody> {
        if is_head_too_long(target_length(request.uri()), request.headers()) {
            return render(ApiProblem::head_too_long(), request_id);
        }
        let traced = self.traced(&request, Verb::of(request.method()), request_id);
        gateway::answer(&self.app, request, (client, &self.pace), request_id, traced.as_ref()).await
    }

    fn traced(&self, request: &Request<Incoming>, verb: Verb, request_id: &RequestId) -> Option<Traced> {
        self.app.traces?.begin(request.headers(), verb, request_id)
    }

    fn quick(&self, request: &Request<Incoming>) -> Option<Quick> {
        let path = request.uri().path();
        if self.serves != Listener::Api {
            None
        } else if path == VERIFY_PATH && request.method() == Method::POST {
            Some(Quick::Verify)
        } else if path.starts_with(forward::PATH) {
            Some(Quick::Authz)
        } else {
            None
        }
    }

    async fn decide(
        &self,
        quick: Quick,
        request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Response<AnyBody> {
        if is_head_too_long(target_length(request.uri()), request.headers()) {
            return render(ApiProblem::head_too_long(), request_id);
        }
        let (parts, body) = request.into_parts();
        let answered = match quick {
            Quick::Verify => verify_key(&self.app, parts.headers, body, client, request_id).await,
            Quick::Authz => {
                let authorized = forward::authorize(&self.app, &parts, client, request_id).await;
                self.app.metrics.authorized(Face::Authz, &authorized);
                authorized
            }
        };
        answered.map_or_else(|problem| render(problem, request_id), |response| response.map(Either::Left))
    }

    async fn route(
        &self,
        mut request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Response<AnyBody> {
        let started = Instant::now();
        let (verb, path) = (Verb::of(request.method()), self.app.words.shown(request.uri().path()));
        // A method is a word of the client's own, as long as a head may be.
        let method = verb.name();
        let traced = match self.serves {
            Listener::Api => self.traced(&request, verb, request_id),
            Listener::Operations | Listener::Envoy => None,
        };
        if let Some(traced) = &traced {
            request.extensions_mut().insert(traced.clone());
        }
        let head = (request.method(), request.headers());
        let called = Called::begin(&self.app, head, client, (path.as_str(), request_id));
        request.extensions_mut().insert(called.noted.clone());
        let routed = self.receipted(self.through_router(request, client, request_id));
        let (response, route, refused) = match &traced {
            Some(Traced(span)) => routed.instrument(span.clone()).await,
            None => routed.await,
        };
        let (status, took) = (response.status(), started.elapsed());
        let (code, micros) = (status.as_u16(), took.as_micros());
        match self.serves {
            Listener::Api => {
                let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
                self.app.metrics.routes.answered(route, verb, status, took);
                if let Some(traced) = &traced {
                    traced.answered(route, verb, status);
                }
                tracing::info!(%method, path, %client, status = code, micros, "answered");
                let bytes_out = response.body().size_hint().exact();
                called.answered(&Answered { route, status, code: refused, bytes_out });
            }
            // Whoever collects metrics asks every few seconds for ever.
            Listener::Operations | Listener::Envoy => {
                tracing::debug!(%method, path, %client, status = code, micros, "answered");
            }
        }
        response
    }

    /// Tells with an answer which other nodes have heard of what was changed.
    async fn receipted(&self, routed: impl Future<Output = Routed>) -> Routed {
        if self.app.cluster.is_none() {
            return routed.await;
        }
        let ((mut response, route, refused), receipt) = with_receipt(routed).await;
        if let Some(receipt) = receipt
            && let Ok(value) = HeaderValue::try_from(receipt.to_string())
        {
            response.headers_mut().insert(REVISION, value);
        }
        (response, route, refused)
    }

    async fn through_router(
        &self,
        mut request: Request<Incoming>,
        client: ClientIp,
        request_id: &RequestId,
    ) -> Routed {
        if is_head_too_long(target_length(request.uri()), request.headers()) {
            return (render(ApiProblem::head_too_long(), request_id), None, None);
        }
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(request_id.clone());
        let Ok(mut response) = self.router.clone().oneshot(request.map(axum::body::Body::new)).await;
        let route = response.extensions_mut().remove::<MatchedPath>();
        let page = response.extensions_mut().remove::<RefusedWith>().map(|RefusedWith(code)| code);
        match response.extensions_mut().remove::<ApiProblem>() {
            Some(problem) => {
                let refused = Some(problem.code());
                (keep_allow(&response, render(problem, request_id)), route, refused)
            }
            None => (response.map(|body| Either::Right(paced(body, &self.pace))), route, page),
        }
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

/// What is logged meanwhile belongs to the request. It is there for the gravest lines, too.
pub(crate) fn in_request(request_id: &RequestId) -> Span {
    tracing::error_span!("request", id = request_id.as_str())
}

/// Whether a head is longer than a request may have, with a target of so many bytes.
pub(crate) fn is_head_too_long(target: usize, headers: &HeaderMap) -> bool {
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + AROUND_A_HEADER;
    headers.len() > MAX_LINES || target + headers.iter().map(line).sum::<usize>() > MAX_HEAD
}

/// An answer whose headers take the room that those of the request had; making a map for each would cost more than filling it.
pub(crate) fn answer_in_place<B>(mut asked: HeaderMap, body: B) -> Response<B> {
    asked.clear();
    let mut response = Response::new(body);
    *response.headers_mut() = asked;
    response
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
