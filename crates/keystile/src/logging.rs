//! Logs, on standard error, and spans for a collector beside them.

use std::io::IsTerminal;
use std::str::FromStr;

use keystile_measure::SPANS;
use tracing::Metadata;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::failure::Failure;
use crate::traces::Sending;

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging what `filter` lets through, such as `info` or `warn,keystile_store=debug`, and making spans if they are
/// sent anywhere.
pub(crate) fn start(filter: &str, format: LogFormat, sending: Option<&Sending>) -> Result<(), Failure> {
    let filter = EnvFilter::from_str(filter).map_err(|error| {
        Failure::because("`--log` takes levels such as `info` or `warn,keystile_store=debug`", &error)
    })?;
    let lines = lines(format).with_filter(filter.and(filter_fn(|metadata| metadata.target() != SPANS)));
    let spans = sending.map(|sending| {
        let spans = tracing_opentelemetry::layer().with_tracer(sending.tracer());
        spans
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_sent))
    });
    let started = tracing_subscriber::registry().with(lines).with(spans).try_init();
    started.map_err(|error| Failure::new(format!("logging did not start: {error}")))
}

fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    // What cannot be logged, as the disk is full, is not told either: the attempt would end whoever logs.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().with_span_list(false).boxed(),
    }
}

/// Spans that are meant for it, and our own warnings within them.
fn is_sent(metadata: &Metadata<'_>) -> bool {
    let is_warning = *metadata.level() <= tracing::Level::WARN && metadata.target().starts_with("keystile");
    metadata.target() == SPANS || metadata.is_event() && is_warning
}
