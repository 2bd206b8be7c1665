//! Events: taking them in, and showing them.

mod form;
mod list;
mod send;
mod sender;

// The table of routes needs what utoipa makes beside the handlers.
pub use list::*;
pub(crate) use send::*;
