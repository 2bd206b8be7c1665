//! What the server adds to requests that the LLM gateway answers: their traces, their figures, and their rows in the log. What is
//! asked, decided and passed on is the business of `proxy`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};
use http_body_util::Either;
use hyper::body::{Body, Incoming};
use keystile_bearer::{ClientIp, RequestId};
use keystile_proxy::{GATEWAY_PREFIX, GatewayBody, Outcome};
use tracing::Instrument;

use crate::metrics::{Face, Verb};
use crate::pace::{Pace, paced};
use crate::request_log::{Answered, Called, Who};
use crate::service::{AnyBody, in_request};
use crate::state::App;
use crate::traces::Traced;

/// Whether a request is for the gateway.
pub(crate) fn is_for_gateway<B>(request: &Request<B>) -> bool {
    request.uri().path().starts_with(GATEWAY_PREFIX)
}

/// Lets the gateway answer.
pub(crate) async fn answer(
    app: &App,
    request: Request<Incoming>,
    (client, pace): (ClientIp, &Arc<Pace>),
    request_id: &RequestId,
    traced: Option<&Traced>,
) -> Response<AnyBody> {
    let (began, verb) = (Instant::now(), Verb::of(request.method()));
    let outcome = Outcome::of(&request);
    let path = shown(outcome.route);
    let head = (request.method(), request.headers());
    let called = Called::begin(app, head, client, (&path, request_id));
    let mut told = Told { called: Some(called), outcome };
    let answering = app.gateway.answer(request, client, request_id, &mut told.outcome);
    let response = match traced {
        Some(Traced(span)) => answering.instrument(span.clone()).await,
        None => answering.await,
    };
    let response = response.map(|body| body_of(body, pace));
    let (route, status, code) = (told.outcome.route, response.status(), told.outcome.code);
    app.metrics.routes.answered(route, verb, status, began.elapsed());
    if let Some(decision) = told.outcome.decision {
        app.metrics.decided(Face::Llm, decision);
    }
    if let Some(traced) = traced {
        traced.answered(route, verb, status);
    }
    if status.is_server_error() && app.failures_logged.allows() {
        let (method, status) = (verb.name(), status.as_u16());
        in_request(request_id).in_scope(|| {
            tracing::info!(method, path = route, %client, status, code, "answered");
        });
    }
    told.answered(&response);
    response
}

/// What the log is told of a request, if it is known whose key it has: also of one whose client hangs up before it is answered.
struct Told<'a> {
    called: Option<Called<'a>>,
    outcome: Outcome,
}

impl<'a> Told<'a> {
    fn answered(mut self, response: &Response<AnyBody>) {
        let (status, bytes_out) = (response.status(), response.body().size_hint().exact());
        let (route, code) = (self.outcome.route, Some(self.outcome.code));
        if let Some(called) = self.noted() {
            called.answered(&Answered { route, status, code, bytes_out });
        }
    }

    /// The call, with whose key it is.
    fn noted(&mut self) -> Option<Called<'a>> {
        let called = self.called.take()?;
        if let Some(key) = self.outcome.key.take() {
            called.noted.who(Who::Key(key));
        }
        Some(called)
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        drop(self.noted());
    }
}

/// The route as far as it consists of our own words.
fn shown(route: &'static str) -> Cow<'static, str> {
    match route.split_once('{') {
        Some((ours, _)) => Cow::Owned(format!("{ours}…")),
        None => Cow::Borrowed(route),
    }
}

fn body_of(body: GatewayBody, pace: &Arc<Pace>) -> AnyBody {
    match body {
        Either::Left(whole) => Either::Left(whole),
        Either::Right(relay) => Either::Right(paced(axum::body::Body::new(relay), pace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_the_prefix_is_for_the_gateway() {
        for (path, is_for) in [
            ("/v1/chat/completions", true),
            ("/v1/", true),
            ("/v1", false),
            ("/api/v1/keys", false),
            ("/v10/models", false),
        ] {
            let request = Request::get(path).body(()).unwrap();
            assert_eq!(is_for_gateway(&request), is_for, "{path}");
        }
    }

    #[test]
    fn a_name_in_a_path_stands_in_no_log() {
        assert_eq!(shown("/v1/models/{model}"), "/v1/models/…");
        assert_eq!(shown("/v1/messages"), "/v1/messages");
    }
}
