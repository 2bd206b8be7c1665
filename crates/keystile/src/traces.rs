//! Sending spans to a collector, by OTLP over HTTP.
//!
//! Spans wait in a bounded queue for a thread that sends them in batches. When the queue is full, or the collector away, spans
//! are dropped and requests go on.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TracerProvider};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider,
    ShouldSample,
};
use tokio::runtime::Handle;

use crate::failure::Failure;

/// Spans that wait to be sent, about 2 MB. More come only when the collector is slower than the requests that are traced.
const WAITING: usize = 4_096;
/// Spans sent at once.
const BATCH: usize = 512;
/// Longest a span waits for others.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest one sending may take, and the last one when the server stops.
const SENDING: Duration = Duration::from_secs(5);
/// Most that is read of a collector's answer, which tells little.
const MOST_ANSWER: usize = 64 * 1024;

/// What is sent, and where to.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Where the collector listens; spans go to `/v1/traces` below it.
    pub(crate) endpoint: String,
    /// What this server is called there.
    pub(crate) service_name: String,
}

/// The sending of spans.
pub(crate) struct Sending(SdkTracerProvider);

impl Sending {
    /// Begins it. Needs a Tokio runtime.
    pub(crate) fn start(destination: Destination) -> Result<Self, Failure> {
        let failed = |error: &dyn Error| Failure::because("spans cannot be sent", error);
        let client = reqwest::Client::builder()
            .timeout(SENDING)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| failed(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Collector { client, runtime: Handle::current() })
            .with_endpoint(format!("{}/v1/traces", destination.endpoint.trim_end_matches('/')))
            .with_timeout(SENDING)
            .build()
            .map_err(|error| failed(&error))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(WAITING)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(PAUSE)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder()
            .with_service_name(destination.service_name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            .with_sampler(OfRequests)
            .build();
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(provider))
    }

    /// What makes spans.
    pub(crate) fn tracer(&self) -> SdkTracer {
        self.0.tracer("keystile")
    }

    /// Sends what waits, and ends. It takes five seconds at most.
    pub(crate) async fn stop(self) {
        // It waits for its own thread, which needs this runtime to send.
        let stopped = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(SENDING)).await;
        if !matches!(stopped, Ok(Ok(()))) {
            tracing::warn!("the last spans were not sent");
        }
    }
}

/// Spans belong to requests that are traced: which are is decided where requests come in. What runs beside requests makes none.
#[derive(Debug, Clone)]
struct OfRequests;

impl ShouldSample for OfRequests {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let is_within = parent.is_some_and(|parent| parent.span().span_context().is_sampled());
        let is_sampled = is_within || *kind == SpanKind::Server;
        let decision = if is_sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        let trace_state = parent.map(|parent| parent.span().span_context().trace_state().clone());
        SamplingResult { decision, attributes: Vec::new(), trace_state: trace_state.unwrap_or_default() }
    }
}

/// The collector, reached on this runtime by whichever thread asks.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
}

impl HttpClient for Collector {
    fn send_bytes<'s, 'a>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>
    where
        's: 'a,
        Self: 'a,
    {
        let sent = self.runtime.spawn(send(self.client.clone(), request));
        Box::pin(async move { sent.await? })
    }
}

async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = client.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
    let mut body = Vec::new();
    while body.len() < MOST_ANSWER
        && let Some(piece) = answer.chunk().await?
    {
        body.extend_from_slice(&piece);
    }
    body.truncate(MOST_ANSWER);
    let mut response = Response::new(body.into());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
