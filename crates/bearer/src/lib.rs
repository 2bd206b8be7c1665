//! What the bearer of a key sends and is told over HTTP, alike wherever Keystile guards something.
//!
//! A request in: its one credential, the client's address, its id, room for its body. A refusal out: the status, the problem, and the header
//! fields that belong to it. The server and the layer for Rust services share this, so that they cannot differ. It must
//! never know how a decision is reached, nor a server.

mod claim;
mod client_ip;
mod credential;
mod problem;
mod rate_fields;
mod refused;
mod request_id;
mod room;

pub use claim::is_claim;
pub use client_ip::{ClientIp, asked_client_ip, client_ip, loopback_proxies};
pub use credential::{Credential, Unreadable, is_jwt, read_credential, usual_key_headers};
pub use problem::{IN_PROGRESS, problem, render, retry_after};
pub use rate_fields::{LeftItem, Limit, PolicyItem, RATE_LIMIT, RATE_LIMIT_POLICY};
pub use refused::Refused;
pub use request_id::{RequestId, RequestIds, X_REQUEST_ID, has_secret_form};
pub use room::{Kept, NoRoom, Part, Room};
