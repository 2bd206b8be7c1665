//! The only crate that knows HTTP: the API, forward authentication, the accept loop, and the one place
//! where refusals become responses.
//!
//! A request comes through `server` (connections and their timeouts) to `service` (request id, the two hot
//! paths) and either to a hot path, to the LLM gateway, or to `router`, which is the table of everything else. It must never
//! read or write the store, only ask whether it answers, nor decide anything: it asks `manage` and `verify`.

mod api;
mod authz;
mod beats;
mod body;
mod console;
mod document;
mod extract;
mod field_name;
mod gateway;
mod loggable;
mod metrics;
mod once;
mod operations;
mod pace;
mod problem;
mod readiness;
mod refusals;
mod reporters;
mod request_log;
mod router;
mod server;
mod service;
mod state;
mod traces;
mod turns;
mod unpack;
mod vigil;
mod watching;

pub use operations::{MoreMetrics, NodeView};
pub use router::{console_places, openapi};
pub use server::{Server, ServerLimits};
pub use state::{App, HttpSettings};
