//! Background jobs: what they are to do, how far they have come, and what came of it.
//!
//! Whoever takes a job up gets a [`JobClaim`] for a while. Each step is one transaction, which does the work, moves the place
//! from which the next one goes on, and counts. It begins by locking the job's row, and does nothing if somebody else has taken
//! the job up since. So no key is handled twice, whenever a process ends.

mod claim;
mod control;
mod make;
mod packed;
mod result;
mod row;
mod step;
mod sweep;

pub use claim::{JobClaim, Lease};
#[cfg(test)]
pub(crate) use claim::{NEXT, NEXT_AT};
pub use control::{Cancelled, JobFilter, Retried};
pub use make::{JobMade, NewJob};
pub use packed::{pack_keys, unpack_keys};
pub use result::JobChunk;
pub(crate) use result::sealing_keys;
#[cfg(test)]
pub(crate) use step::LET_GO;
pub use step::{ChangedKey, FoundKey, JobStep, KeyStep, Stepped};
