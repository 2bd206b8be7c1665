//! The limits that nodes share, counted exactly in Redis or Valkey.
//!
//! [`RedisAuthority`] answers for limits ([`keystile_verify::RateAuthority`]): one script hears what a node states of many owners, in one
//! step and by the clock of Redis. Redis is never the truth: what it forgets nodes tell it again, and until they had the time to, it
//! reserves nothing.
//!
//! This crate must never decide about a request, nor know a database or HTTP.

mod authority;
mod script;
mod url;

pub use authority::RedisAuthority;
pub use script::{Call, RateScript};
pub use url::{RedisUrl, RedisUrlError};
