//! The same answers, whoever gives them: forward authentication, a guard that asks over HTTP, a guard in process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what surrounds a test is a test too")]

mod guards;
mod unavailable;
mod world;
