//! Spans of requests, for whoever follows one through many services.
//!
//! A request is traced when its caller traces it (`traceparent` of W3C Trace Context), or by chance when nobody has decided.
//! All others cost one look for a header; where nothing is exported, nothing.

use std::cell::Cell;

use http::{HeaderMap, StatusCode};
use keystile_core::TenantId;
use keystile_measure::SPANS;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, global};
use tracing::Span;
use tracing::field::{Empty, display};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::metrics::Verb;
use keystile_bearer::RequestId;

/// The header by which callers hand on what they trace.
const TRACEPARENT: &str = "traceparent";

/// Which requests are traced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traces {
    ratio: f64,
}

/// The span of a request that is traced.
#[derive(Debug, Clone)]
pub(crate) struct Traced(pub(crate) Span);

thread_local! {
    static DUE: Cell<f64> = const { Cell::new(0.0) };
}

impl Traces {
    /// Traces this part, from 0 to 1, of the requests of whose callers nobody has decided.
    pub(crate) const fn new(ratio: f64) -> Self {
        Self { ratio }
    }

    /// The span of this request, if it is traced.
    pub(crate) fn begin(self, headers: &HeaderMap, verb: Verb, request_id: &RequestId) -> Option<Traced> {
        let caller = headers.contains_key(TRACEPARENT).then(|| of_caller(headers)).flatten();
        let is_traced = match &caller {
            Some(context) => context.span().span_context().is_sampled(),
            None => self.is_due(),
        };
        is_traced.then(|| Traced::new(caller, verb, request_id))
    }

    /// Spread evenly over the requests of each thread, which needs no randomness.
    fn is_due(self) -> bool {
        DUE.with(|due| {
            let now = due.get() + self.ratio;
            let is_due = now >= 1.0;
            due.set(if is_due { now - 1.0 } else { now });
            is_due
        })
    }
}

impl Traced {
    fn new(caller: Option<Context>, verb: Verb, request_id: &RequestId) -> Self {
        let span = tracing::info_span!(
            target: SPANS,
            parent: None,
            "request",
            otel.kind = "server",
            otel.status_code = Empty,
            http.request.method = verb.name(),
            http.route = Empty,
            http.response.status_code = Empty,
            url.scheme = "http",
            keystile.request_id = request_id.as_str(),
            keystile.tenant_id = Empty,
        );
        if let Some(caller) = caller
            && let Err(error) = span.set_parent(caller)
        {
            tracing::debug!(%error, "a span does not follow its caller's");
        }
        Self(span)
    }

    /// In which tenant it happens.
    pub(crate) fn in_tenant(&self, tenant_id: TenantId) {
        self.0.record("keystile.tenant_id", display(tenant_id));
    }

    /// How it ended; `route` is a template.
    pub(crate) fn answered(&self, route: &str, verb: Verb, status: StatusCode) {
        self.0.record("http.route", route);
        self.0.context().span().update_name(format!("{} {route}", verb.name()));
        self.0.record("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            self.0.record("otel.status_code", "ERROR");
        }
    }
}

/// What the caller traces, if its header can be read.
fn of_caller(headers: &HeaderMap) -> Option<Context> {
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&Traceparent(headers)));
    context.span().span_context().is_valid().then_some(context)
}

/// Headers, of which one can be seen. `tracestate` holds whatever its sender wants, and would be exported.
struct Traceparent<'a>(&'a HeaderMap);

impl Extractor for Traceparent<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).filter(|_| name == TRACEPARENT)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_requests_are_traced_as_were_asked_for() {
        for (ratio, expected) in [(0.0, 0), (0.01, 10), (0.25, 250), (1.0, 1000)] {
            let traces = Traces::new(ratio);
            let due = (0..1000).filter(|_| traces.is_due()).count();
            assert!(due.abs_diff(expected) <= 1, "{ratio}: {due}");
        }
    }
}
