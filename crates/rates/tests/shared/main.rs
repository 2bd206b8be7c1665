//! Shared limits against a real Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

mod exact;
mod script;
