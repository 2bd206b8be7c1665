//! Changing a record that counts its versions.

use keystile_core::{AuditEntry, Change, LimitedId, Timestamp};
use keystile_store::StoreError;
use serde_json::{Map, Value};

use crate::audit::changed;
use crate::touched::Touched;
use crate::{Committed, Refused, VersionGuard};

/// A record that counts its versions.
pub(crate) trait Edited: Clone + PartialEq {
    /// Counts the writes.
    fn version(&mut self) -> &mut i64;

    /// Everything about it that a person could have changed, by its JSON name.
    fn describe(&self) -> Map<String, Value>;
}

/// Changes the record, if it is at the version that `guard` names, at the moment of the audit entry; gives the entry
/// with what was changed, and none if nothing was.
pub(crate) fn edit<T: Edited>(
    record: &mut T,
    guard: VersionGuard,
    entry: AuditEntry,
    change: impl FnOnce(&mut T, Timestamp) -> Result<(), Refused>,
) -> Result<Option<AuditEntry>, Refused> {
    guard.check(*record.version())?;
    let before = record.clone();
    change(record, entry.at)?;
    if *record == before {
        return Ok(None);
    }
    *record.version() += 1;
    let changes = changed(before.describe(), &record.describe());
    Ok(Some(AuditEntry { changes, ..entry }))
}

/// What came of a change of somebody whose limits many keys share; `missing` if there is no such record.
pub(crate) fn edited<T>(
    outcome: Result<Option<Result<T, Refused>>, StoreError>,
    limited: LimitedId,
    missing: Refused,
) -> Result<Committed<T>, Refused> {
    let change = Change::of_limits(limited);
    let found = Touched::known(change.clone()).outcome(outcome)?;
    Ok(Committed { value: found.ok_or(missing)??, change })
}
