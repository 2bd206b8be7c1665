//! The request log.

mod export;
mod exposure;
mod list;
mod stream;

// The table of routes needs what utoipa makes beside the handlers.
pub use export::*;
pub use exposure::*;
pub(crate) use list::*;
pub(crate) use stream::*;
