//! What the verifier promises, told from outside through a source that can be held, broken and watched.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what surrounds a test is a test too")]

mod batch;
mod bounds;
mod budgets;
mod caching;
mod charges;
mod explanation;
mod flights;
mod forgetting;
mod holds;
mod last_use;
mod leases;
mod limits;
mod periods;
mod quotas;
mod room;
mod routings;
mod source;
mod stress;
mod upstreams;
mod usage;
mod world;
