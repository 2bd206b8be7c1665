//! Listing of what slice D needs; the crate's `lib.rs` is written with the pure half.

mod admission;
mod attempts;
mod bill;
mod client;
mod connector;
mod denied;
mod gateway;
mod gateway_error;
mod headers;
mod intake;
mod lasting;
mod offer;
mod pieces;
mod relay;
mod settings;
mod standing;
mod stats;

pub use gateway::{GATEWAY_PREFIX, Gateway, GatewayBody, Outcome};
pub use gateway_error::GatewayError;
pub use relay::{BrokenOff, Relay};
pub use settings::{BodyBounds, GatewaySettings, Patience};
