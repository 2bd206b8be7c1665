//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization/Check`.
//!
//! Whatever goes wrong is answered with a refusal of its own and never with an error of gRPC, which an Envoy that is told to
//! (`failure_mode_allow`) would take for a yes.

mod answer;
mod frame;
mod messages;
mod question;

use std::net::IpAddr;
use std::time::Instant;

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use keystile_bearer::{RequestId, asked_client_ip};
use keystile_core::LogFace;

use self::messages::{CheckRequest, CheckResponse};
use super::identity::identity;
use super::log::Passage;
use super::original::Original;
use super::{Question, decide};
use crate::body::read_bytes;
use crate::metrics::{Face, Hot, Verb};
use crate::problem::ApiProblem;
use crate::service::{AnyBody, MAX_HEAD};
use crate::state::App;

/// The one method.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Longest message, in bytes. Envoy tells the head of the request, some of it twice, and of both ends of its connection; what
/// is longer has a head that is too long for us.
const MAX_MESSAGE: usize = 4 * MAX_HEAD;

/// Answers one call of an Envoy at `peer`.
pub(crate) async fn call(app: &App, peer: IpAddr, request: Request<Incoming>) -> Response<AnyBody> {
    if !frame::is_grpc(request.headers()) {
        return frame::unsupported();
    }
    if request.uri().path() != CHECK || request.method() != Method::POST {
        return frame::unimplemented();
    }
    let began = app.metrics.begin(Hot::Envoy);
    let Told { status, message } = match read(app, request).await {
        Ok(asked) => check(app, peer, asked).await,
        Err(problem) => refuse(app, peer, problem, app.request_ids.make()),
    };
    app.metrics.answered(Hot::Envoy, Verb::Post, status, began);
    frame::write(&message)
}

/// An answer, and the status that it has for whoever asked the Envoy: the call itself always succeeds.
struct Told {
    status: StatusCode,
    message: CheckResponse,
}

/// Refuses; what fails on our side is logged, as nothing else tells of it.
fn refuse(app: &App, peer: IpAddr, problem: ApiProblem, request_id: RequestId) -> Told {
    let status = problem.status();
    if status.is_server_error() && app.failures_logged.allows() {
        let (path, status) = (CHECK, status.as_u16());
        tracing::info!(path, %peer, status, request_id = request_id.as_str(), "answered");
    }
    Told { status, message: answer::denied(problem, request_id) }
}

async fn read(app: &App, request: Request<Incoming>) -> Result<CheckRequest, ApiProblem> {
    let (parts, body) = request.into_parts();
    let mut part = app.reading.room.part();
    let reading = (app.reading.within, &mut part);
    frame::read(read_bytes(&parts.headers, body, reading, frame::PREFIX + MAX_MESSAGE).await?)
}

async fn check(app: &App, peer: IpAddr, asked: CheckRequest) -> Told {
    let began = Instant::now();
    let mut attributes = asked.attributes.unwrap_or_default();
    let request = attributes.request.take().and_then(|request| request.http).unwrap_or_default();
    let headers = match question::read_headers(&request) {
        Ok(headers) => headers,
        Err(problem) => return refuse(app, peer, problem, app.request_ids.make()),
    };
    let request_id = app.request_ids.of(&headers, &app.settings.key_headers);
    let decision = async {
        let source = question::source(&attributes);
        let client = asked_client_ip(peer, source, &headers, &app.settings.trusted_proxies);
        let original =
            Original::Known { method: &request.method, target: &request.path, host: &request.host };
        let place = question::read_place(&attributes.context_extensions)?;
        let question = Question { place, original, headers: &headers, client };
        let mut passage = Passage::begin(app, (LogFace::ExtAuthz, began), &request_id, &question);
        let decided = decide(app, &question, &mut passage.known).await;
        passage.decided(&decided);
        decided
    };
    let decided = decision.await;
    app.metrics.authorized(Face::Envoy, &decided);
    match decided {
        Ok(verdict) => {
            Told { status: StatusCode::OK, message: answer::allowed(&identity(&verdict), &headers) }
        }
        Err(problem) => refuse(app, peer, problem, request_id),
    }
}
