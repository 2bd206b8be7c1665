//! The real program, asked over HTTP as its users ask it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot build its surroundings has failed, and must say why"
)]

mod bad_input;
mod bad_requests;
mod durability;
mod isolation;
mod matrix;
mod revocation;
mod world;
