//! The server: the API, forward authentication, the accept loop, and the one place where refusals become responses. The console, a
//! crate of its own, brings its pages as a [`Site`] and takes from here what both answer with.
//!
//! A request comes through `server` (connections and their timeouts) to `service` (request id, the two hot
//! paths) and either to a hot path, to the LLM gateway, or to `router`, which is the table of everything else. It must never
//! read or write the store, only ask whether it answers, nor decide anything: it asks `manage` and `verify`.

pub mod api;
pub mod authz;
mod beats;
pub mod body;
mod document;
pub mod extract;
mod field_name;
mod gateway;
pub mod loggable;
mod metrics;
pub mod once;
mod operations;
mod pace;
pub mod problem;
mod readiness;
mod refusals;
mod reporters;
pub mod request_log;
mod router;
mod server;
mod service;
mod state;
mod traces;
mod turns;
mod unpack;
mod vigil;
pub mod watching;

pub use operations::{MoreMetrics, NodeView};
pub use router::{no_such_path, openapi};
pub use server::{Server, ServerLimits};
pub use state::{App, HttpSettings, Site};
