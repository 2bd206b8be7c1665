//! Opening the journal at the start of a server, and ending keys again that an older database has.

use std::path::Path;
use std::time::{Duration, Instant};

use keystile_core::journal::Standing;
use keystile_core::{ApiKey, AuditId, Clock, Entropy, JournalLine, KeyId, KnownEnds, TenantId, Timestamp};
use keystile_manage::end_again;
use keystile_store::{Rewrite, Store};

use super::file::{Found, JournalFile, read_all};
use crate::EngineError;

/// How many rows are read at a time.
const AT_ONCE: u32 = 1000;
/// How long a server that starts waits for one that lets go of the journal.
const HANDOVER: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
const UNREAD: &str = "how keys stand cannot be read for the revocation journal";

/// Opens the journal of a database from which nobody serves. One that is not there, or is damaged, is made of what the database says; a
/// database that is older than its journal is told what has ended since.
pub(crate) async fn open(
    path: &Path,
    store: &Store,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<JournalFile, EngineError> {
    let mut journal = match unlocked(path).await? {
        Found::Whole(journal) => journal,
        Found::InUse => return Err(in_use(path)),
        Found::Nothing => return make(path, store).await,
        Found::Damaged => return make_anew(path, store).await,
    };
    let last = journal.last().map_err(|error| unread(path, error))?;
    if is_older(store, last).await? {
        end_since((path, last), store, &mut journal, clock.now(), entropy).await?;
    }
    Ok(journal)
}

/// Opens the journal to note in it that the database was put back, when that is done. One that is not there is left so: the next start makes it.
pub(crate) async fn open_to_note(path: &Path) -> Result<Option<JournalFile>, EngineError> {
    match unlocked(path).await? {
        Found::Nothing | Found::Damaged => Ok(None),
        Found::InUse => Err(in_use(path)),
        Found::Whole(journal) => Ok(Some(journal)),
    }
}

/// Opens the journal again that was let go of, as the right to serve was lost.
pub(super) async fn reopen(path: &Path, _store: &Store) -> Result<JournalFile, EngineError> {
    match unlocked(path).await? {
        Found::Whole(journal) => Ok(journal),
        Found::InUse => Err(in_use(path)),
        Found::Nothing | Found::Damaged => Err(EngineError::new(format!(
            "the revocation journal {} is gone or damaged: start anew",
            path.display()
        ))),
    }
}

/// What there is of a journal, when nobody else writes to it or it is clear that somebody does.
pub(super) async fn unlocked(path: &Path) -> Result<Found, EngineError> {
    let started = Instant::now();
    loop {
        match JournalFile::open(path)? {
            Found::InUse if started.elapsed() < HANDOVER => tokio::time::sleep(PAUSE).await,
            found @ (Found::Nothing | Found::Whole(_) | Found::InUse | Found::Damaged) => return Ok(found),
        }
    }
}

fn in_use(path: &Path) -> EngineError {
    EngineError::new(format!(
        "another process writes to the revocation journal {}; each installation has its own: name another with KEYSTILE_REVOCATION_JOURNAL",
        path.display()
    ))
}

/// The keys of which the journal knows something, and what brings each to the end that it has had.
pub(crate) fn again(
    ends: KnownEnds,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(Vec<KeyId>, Rewrite), EngineError> {
    let mut random = [0; 16];
    let filled = entropy.fill(&mut random);
    filled.map_err(|error| EngineError::because("entries of the audit log cannot be named", error))?;
    let mut next = u128::from_be_bytes(random) >> 64;
    // In the order of their ids they lie together.
    let mut keys: Vec<KeyId> = ends.keys().collect();
    keys.sort_unstable();
    let rewrite: Rewrite = Box::new(move |key| {
        next += 1;
        Ok(end_again(&ends, key, AuditId::from_parts(now, next), now))
    });
    Ok((keys, rewrite))
}

/// Whether the database lacks the change that the last line tells of, which was committed before the line was written. One that was put back, and
/// from which nobody has served for long enough to end a key, may lack anything: another copy may have taken its place since.
async fn is_older(store: &Store, last: Option<JournalLine>) -> Result<bool, EngineError> {
    Ok(match last {
        None => false,
        Some(JournalLine::Restored { accepted, .. }) => !accepted,
        Some(JournalLine::Key(line)) => {
            let key = read(store, line.tenant_id, line.key_id).await?;
            key.is_none_or(|key| key.version < line.version)
        }
        Some(JournalLine::Replaced { tenant_id, key_id, at, .. }) => {
            let key = read(store, tenant_id, key_id).await?;
            key.is_none_or(|key| key.updated_at < at)
        }
    })
}

async fn read(store: &Store, tenant_id: TenantId, key_id: KeyId) -> Result<Option<ApiKey>, EngineError> {
    let key = store.key(tenant_id, key_id).await;
    key.map_err(|error| EngineError::because(UNREAD, error))
}

/// Ends keys again. If that is interrupted, the next start does it once more, as what is ended here gets versions above all that were told.
async fn end_since(
    (path, last): (&Path, Option<JournalLine>),
    store: &Store,
    journal: &mut JournalFile,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<(), EngineError> {
    let Some(ends) = read_all(path)? else { return Ok(()) };
    let (keys, rewrite) = again(ends, now, entropy)?;
    let ended = store.end_again(keys, rewrite).await;
    let ended =
        ended.map_err(|error| EngineError::because("keys that have ended cannot be ended again", error))?;
    if ended == 0 && matches!(last, Some(JournalLine::Restored { .. })) {
        return Ok(());
    }
    // Versions that follow are not to be taken for those of before.
    let restored = JournalLine::Restored { at: now, accepted: false };
    journal.append(&[restored]).map_err(|error| unread(path, error))?;
    tracing::warn!(
        keys = ended,
        "the database was older than its revocation journal: keys that have ended since were ended again"
    );
    Ok(())
}

/// Keeps a journal that is damaged, and makes another.
async fn make_anew(path: &Path, store: &Store) -> Result<JournalFile, EngineError> {
    let aside = path.with_added_extension("damaged");
    std::fs::rename(path, &aside).map_err(|error| unread(path, error))?;
    let kept = aside.display();
    tracing::error!(%kept, "the revocation journal was damaged: it is made anew of what the database says");
    make(path, store).await
}

/// Makes a journal of how all keys stand that stand otherwise than a new key, and of all secrets that were replaced.
async fn make(path: &Path, store: &Store) -> Result<JournalFile, EngineError> {
    let unread = |error| EngineError::because(UNREAD, error);
    let mut making = JournalFile::make(path)?;
    let mut after = None;
    loop {
        let found = store.replaced_secrets(after, AT_ONCE).await.map_err(unread)?;
        found.iter().try_for_each(|(_, line)| making.add(line))?;
        let Some((last, _)) = found.last() else { break };
        after = Some(*last);
    }
    let mut after = None;
    loop {
        let found = store.standings(after, AT_ONCE).await.map_err(unread)?;
        let ended = found.iter().filter(|line| line.standing != Standing::default());
        ended.copied().try_for_each(|line| making.add(&JournalLine::Key(line)))?;
        let Some(last) = found.last() else { break };
        after = Some(last.key_id);
    }
    making.finish()
}

fn unread(path: &Path, error: std::io::Error) -> EngineError {
    EngineError::because(format!("the revocation journal {} cannot be used", path.display()), error)
}
