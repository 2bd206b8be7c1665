//! A tower layer that guards a Rust service with API keys.
//!
//! [`Guard`] takes the credential of each request by the rules of Keystile's own faces, asks an [`Authority`], and lets
//! the request pass or answers it as forward authentication would: the same status, problem and header fields. Two
//! authorities give the same answers: `Remote` asks a Keystile server over HTTP, `InProcess` decides on an engine that this
//! process holds. Nothing is remembered between two requests, so a key that was revoked is refused in the next one; and
//! when nobody can tell whether a key is good, nothing passes.
//!
//! The request that passes carries a [`VerifiedKey`]. Headers in which a client pretends to be one are gone. Put the layer
//! inside of whatever answers without a key, such as CORS, and put one around a route, not two: each counts the request.
//!
//! It must never know how a decision is reached.

mod authority;
#[cfg(feature = "axum")]
mod extract;
mod guard;
#[cfg(feature = "engine")]
mod in_process;
mod limits;
mod peer;
mod question;
#[cfg(feature = "http")]
mod remote;
mod service;
mod verified;

pub use authority::Authority;
pub use guard::Guard;
#[cfg(feature = "engine")]
pub use in_process::InProcess;
pub use keystile_bearer::Refused;
pub use peer::Peer;
pub use question::{Needed, Question};
#[cfg(feature = "http")]
pub use remote::{ANSWER_WITHIN, QUESTIONS_AT_ONCE, Remote};
pub use service::Guarded;
pub use verified::{KeyFacts, VerifiedKey};
