//! What was asked and answered: the request log.

mod add;
mod find;
mod gaps;
mod rows;
mod sweep;

pub use find::{LogPage, Order};
pub use sweep::LogSwept;
