//! The revocation journal: what is kept outside of the database of how its keys stand.
//!
//! A change after which a key stands otherwise leaves a note in its own transaction. Before the change is answered, the keeper has written
//! its line to the journal, and it is on the disk; the note goes when nobody waits. So a server that is killed in between tells the journal at its next
//! start, and a database that was put back to an earlier state has no key come back to life: `keystile restore` ends them again with
//! what the journal says, and so does the start of a server that finds the database older than its journal.

mod file;
mod keeper;
mod opening;
mod reading;
mod shared;

pub(crate) use file::sync_folder;
pub(crate) use keeper::{Keeper, Telling, Untold};
pub(crate) use opening::{Noting, Opening, again};
pub(crate) use reading::read_all;
pub(crate) use shared::Journal;
