//! The revocation journal: what is told, outside of a database, of how its keys stand, so that an older backup of the
//! database brings no ended key back.
//!
//! It is a file of lines, which are only added. Each is JSON, a blank, and the CRC-32 of the JSON in eight hexadecimal digits, so that a
//! line that was not written to its end is recognised. No secret is in it, and only of
//! secrets that were replaced something by which whoever has a candidate can test it: the digest of their digest.

mod known;
mod line;

pub use known::KnownEnds;
pub use line::{JournalLine, KeyLine, Standing, UnreadLine, replaced_secret};
