//! The LLM gateway: a request of an official SDK is parsed and rebuilt, bounded before it is sent, and read for what it has used.
//!
//! What the two protocols say is known here and nowhere else. The pure half (operations, calls, bounds, usage, faults) takes bytes and
//! gives bytes, and never waits; the other half moves them. It must never know a database or a page.

mod bounds;
mod call;
mod fault;
mod json;
mod models;
mod operation;
mod rate_headers;
mod sse;
mod usage;

pub use bounds::{Budgeted, UNCAPPED};
pub use call::Call;
pub use fault::Fault;
pub use models::{Listed, model_list, model_object};
pub use operation::{Operation, Route};
pub use rate_headers::rate_headers;
pub use sse::{Frames, LONGEST_EVENT};
pub use usage::{Passing, Reading};
