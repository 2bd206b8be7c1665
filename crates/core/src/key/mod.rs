//! The API key: its record, its status, its text form.

mod address;
mod base62;
mod draft;
mod object;
mod order;
mod patch;
mod record;
mod rotation;
mod rules;
mod search;
mod text;

pub use address::KeyAddress;
pub use draft::{KeyDraft, KeyImport};
pub use object::ObjectPatch;
pub(crate) use object::check as check_object;
pub use order::{KeyCursor, KeyPlace, KeySort, SortOrder};
pub use patch::KeyPatch;
pub(crate) use patch::write;
pub use record::{ApiKey, KeyKind, KeyStatus, ModelPattern, Revocation, SecretFacts, SourceType, TrustLevel};
pub use rotation::MAX_OVERLAP;
pub use rules::{RuleFormat, scan_rules};
pub(crate) use search::masked_length;
pub use search::{FoundKey, KeySearch, LONGEST_KEY};
pub use text::{KeyText, MalformedKey, Presented, check_brought_secret, mint};
