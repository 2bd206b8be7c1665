//! The LLM gateway: a request of an official SDK is parsed and rebuilt, bounded before it is sent, and read for what it has used.
//!
//! What the two protocols say is known here and nowhere else. The pure half (operations, calls, bounds, usage, faults) takes bytes and
//! gives bytes, and never waits; the other half moves them. It must never know a database or a page.

mod admission;
mod attempts;
mod bill;
mod bounds;
mod call;
mod client;
mod connector;
mod denied;
mod fault;
mod gateway;
mod gateway_error;
mod headers;
mod intake;
mod json;
mod lasting;
mod models;
mod offer;
mod on_behalf;
mod operation;
mod pieces;
mod rate_headers;
mod relay;
mod request_span;
mod settings;
mod source;
mod sse;
mod standing;
mod stats;
mod upstream_status;
mod usage;
mod whole;

pub use bounds::{Budgeted, UNCAPPED};
pub use call::Call;
pub use fault::Fault;
pub use gateway::{GATEWAY_PREFIX, Gateway, GatewayBody, Outcome};
pub use gateway_error::GatewayError;
pub use models::{Listed, model_list, model_object};
pub use operation::{Operation, Route};
pub use relay::{BrokenOff, Relay};
pub use settings::{BodyBounds, GatewaySettings, Patience};
pub use sse::{Frames, LONGEST_EVENT};
pub use usage::{Passing, Reading, Sieve};
pub use whole::Whole;
