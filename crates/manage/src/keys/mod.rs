//! API keys: making them, showing them, and everything that happens in their life.

mod again;
mod change;
mod create;
mod history;
mod import;
mod leaks;
mod life;
mod read;
mod rotate;
mod secret;
mod surrender;

pub use again::end_again;
pub use change::VersionGuard;
pub use create::Issued;
pub use history::History;
pub use import::Imported;
pub use leaks::{KnownSecret, Sighting};
pub use read::{KeyQuery, Lineage};

pub(crate) use change::noted;
pub(crate) use import::settings;
pub(crate) use life::refuse_revoked;
pub(crate) use read::seen;
pub(crate) use rotate::refuse_second;
pub(crate) use secret::judging;
