//! Events and what they say of entities. Both belong to a space: an environment of a tenant.

mod add;
mod entities;
pub(crate) mod find;
mod fold;
pub(crate) mod posture;
mod refused;
mod rows;
mod same;
mod spaces;
mod sweep;
mod tally;

pub use add::EventBatch;
pub use entities::KnownEntity;
pub use find::{EventFilter, EventPage};
pub use refused::RefusedEvents;
pub use sweep::Swept;

pub(crate) use tally::sweep as sweep_counts;
