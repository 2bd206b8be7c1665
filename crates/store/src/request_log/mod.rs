//! What was asked and answered: the request log.

mod add;
mod breaks;
pub(crate) mod find;
mod gaps;
mod rows;
pub(crate) mod sweep;

pub(crate) use breaks::end_lost;
pub use find::{LogPage, Order};
pub use sweep::LogSwept;
