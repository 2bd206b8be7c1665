//! Events and what they say of entities. Both belong to a space: an environment of a tenant.

mod add;
mod entities;
mod find;
mod fold;
mod rows;
mod same;
mod spaces;
mod sweep;

pub use add::EventBatch;
pub use entities::KnownEntity;
pub use find::{EventFilter, EventPage};
pub use sweep::Swept;
