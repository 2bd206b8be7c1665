//! Tells webhooks what happens to keys, by the Standard Webhooks specification.
//!
//! Four things run beside the server. What the sealed log tells becomes deliveries (`telling`); what becomes true of keys by time
//! alone does, too (`watching`), and so does what is spent of budgets (`spending`); and deliveries that are due are sent (`dispatch`), each signed, to addresses that may be reached,
//! and noted with what follows. All that is remembered is in the store, so that a kill loses nothing and a message keeps
//! its id. This crate must never know who manages webhooks, nor HTTP but as a client.

mod agenda;
#[cfg(test)]
mod away;
mod courier;
mod dispatch;
mod message;
mod paces;
mod resolver;
mod sending;
mod signature;
mod spending;
mod stats;
mod telling;
mod watching;

pub use courier::{Courier, CourierError, Running, TooManyTests};
pub use stats::{CourierStats, Outcome};
