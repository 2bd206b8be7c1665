//! Keys that ended, for the revocation journal, which is kept outside of the database.
//!
//! Each change after which a key stands otherwise leaves a note, in its own transaction. Whoever keeps the journal reads the notes,
//! writes their lines, and removes them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use keystile_core::journal::{JournalLine, KeyLine, Standing, replaced_secret};
use keystile_core::{ApiKey, AuditEntry, Digest, JournalId, KeyId, Timestamp};

use crate::chunked::{Chunked, places_as};
use crate::row::{Read, Row};
use crate::tx::{Tx, Work};
use crate::value::Value;
use crate::{Store, StoreError, keys, record};

/// How many keys one statement reads by their ids. Fewer are filled up with repeats.
const ASKED: usize = 128;

pub(crate) const NOTE: &str =
    "INSERT INTO key_ends (key_id, version, replaced) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const JOURNALS: &str = "SELECT journal_id FROM revocation_journals ORDER BY journal_id";
const NAME: &str = "INSERT INTO revocation_journals (journal_id) VALUES ($1) ON CONFLICT DO NOTHING";
pub(crate) const FORGET: &str = "DELETE FROM revocation_journals";

/// The columns that [`read_line`] takes.
macro_rules! columns {
    () => {
        "tenant_id, id, version, updated_at, revoked_at, deleted_at, expires_at, enabled, blocked_reason"
    };
}

/// Notes behind a place, in the order of their keys.
pub(crate) const NOTES: &str = "SELECT key_id, version, replaced FROM key_ends
    WHERE (key_id, version) > ($1, $2) ORDER BY key_id, version LIMIT $3";
const STANDING: &str = concat!("SELECT ", columns!(), " FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2");
const REPLACED: &str = "SELECT digest, tenant_id, key_id, retired_at FROM retired_secrets
    WHERE digest > $1 ORDER BY digest LIMIT $2";

static BY_IDS: LazyLock<String> = LazyLock::new(|| {
    let places: Vec<_> = (1..=ASKED).map(|place| format!("${place}")).collect();
    format!("SELECT {} FROM api_keys WHERE id IN ({})", *record::SELECTED, places.join(", "))
});

static REMOVE: LazyLock<Chunked> = LazyLock::new(|| Chunked::new(removal_of));
static STANDING_OF: LazyLock<Chunked> = LazyLock::new(|| Chunked::new(standing_of));

/// Removes so many notes. All nodes remove the same ones: who finds one that another is removing leaves it to that one, and waits for nothing.
fn removal_of(notes: usize) -> String {
    format!(
        "DELETE FROM key_ends WHERE (key_id, version) IN (SELECT key_id, version FROM key_ends
         WHERE (key_id, version) IN (VALUES {}) {{for_update}} {{skip_locked}})",
        places_as(notes, &[None, Some("BIGINT")])
    )
}

/// How so many keys stand, by their ids.
pub(crate) fn standing_of(keys: usize) -> String {
    let places: Vec<_> = (1..=keys).map(|place| format!("${place}")).collect();
    format!("SELECT {} FROM api_keys WHERE id IN ({})", columns!(), places.join(", "))
}

/// Decides what becomes of a key of an older database, and what the audit log is told of it; nothing if it stays as it is.
pub type Rewrite = Box<dyn FnMut(&mut ApiKey) -> Result<Option<AuditEntry>, StoreError> + Send>;

/// Which change: the key, and its version after it.
pub type EndPlace = (KeyId, i64);

/// A change that the journal was not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntoldEnd {
    /// Which.
    pub place: EndPlace,
    /// What to tell: how the key stands by now, and the secret that the change has replaced. Nothing of a key that is gone.
    pub lines: Vec<JournalLine>,
}

/// Some of the changes that the journal was not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UntoldEnds {
    /// What they are.
    pub ends: Vec<UntoldEnd>,
    /// The place behind which to go on, if there may be others.
    pub next: Option<EndPlace>,
}

/// A note, and the digest of the secret that the change has replaced.
struct Note {
    place: EndPlace,
    replaced: Option<Digest>,
}

/// Which notes are wanted.
struct Wanted {
    behind: [Value; 3],
    limit: u32,
    told: HashSet<EndPlace>,
}

/// The note of a change after which a key stands otherwise.
pub(crate) fn noted(before: &ApiKey, after: &ApiKey) -> Option<[Value; 3]> {
    let (old, new) = (before.secret.digest, after.secret.digest);
    if old == new && Standing::of(before) == Standing::of(after) {
        return None;
    }
    let replaced = if old == new { None } else { Some(old) };
    Some([Value::text(after.id), after.version.into(), replaced.into()])
}

impl Store {
    /// Changes that are noted behind `after`, in the order of their keys, but for those that the journal was `told` of; at most `limit`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn untold_ends(
        &self,
        after: Option<EndPlace>,
        limit: u32,
        told: HashSet<EndPlace>,
    ) -> Result<UntoldEnds, StoreError> {
        self.refuse_adrift()?;
        let (key_id, version) =
            after.map(|(key_id, version)| (key_id.to_string(), version)).unwrap_or_default();
        let behind = [Value::Text(key_id), Value::Int(version), Value::Int(limit.into())];
        let wanted = Wanted { behind, limit, told };
        self.engine().read(wanted, |wanted, tx| Box::pin(untold(wanted, tx))).await
    }

    /// Removes the notes of these changes, of which the journal was told.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn ends_told(&self, ends: Vec<EndPlace>) -> Result<(), StoreError> {
        self.refuse_adrift()?;
        self.engine().write(ends, |ends, tx| Box::pin(remove(ends, tx))).await
    }

    /// The journals that are told what becomes of these keys: that of the server, or those of its nodes.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn journals(&self) -> Result<Vec<JournalId>, StoreError> {
        self.read((), |(), tx| Box::pin(journals(tx))).await
    }

    /// Notes that this journal knows how all keys stand, and is told what becomes of them from now on: it alone, or beside those of other nodes.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn name_journal(&self, id: JournalId, is_alone: bool) -> Result<(), StoreError> {
        let work: Work<([Value; 1], bool), ()> = |(id, is_alone), tx| Box::pin(name(id, *is_alone, tx));
        self.write_quietly(([Value::text(id)], is_alone), work).await
    }

    /// How the keys stand whose ids follow `after`, in the order of their ids; at most `limit`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn standings(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyLine>, StoreError> {
        let args =
            [Value::Text(after.map(|id| id.to_string()).unwrap_or_default()), Value::Int(limit.into())];
        self.read(args, |args, tx| Box::pin(standings(args, tx))).await
    }

    /// Secrets that were replaced, each with its digest, after that digest and in the order of digests; at most `limit`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn replaced_secrets(
        &self,
        after: Option<Digest>,
        limit: u32,
    ) -> Result<Vec<(Digest, JournalLine)>, StoreError> {
        let after = after.map_or_else(|| Value::blob(Vec::<u8>::new()), Value::from);
        self.read([after, Value::Int(limit.into())], |args, tx| Box::pin(replaced(args, tx))).await
    }

    /// Lets `rewrite` look at each of these keys that there is, whatever its tenant, and writes what it changes, with its audit
    /// entry, in one transaction. Tells how many were changed. May take long; nobody may serve meanwhile.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read, or what `rewrite` was refused for; nothing is changed then.
    pub async fn end_again(&self, keys: Vec<KeyId>, rewrite: Rewrite) -> Result<u64, StoreError> {
        let args = (keys, rewrite);
        self.write(args, |(keys, rewrite), tx| Box::pin(end_again(keys, rewrite, tx))).await
    }
}

/// What [`Store::end_again`] does, in a transaction that does more.
pub(crate) async fn end_again(
    keys: &[KeyId],
    rewrite: &mut Rewrite,
    tx: &mut Tx<'_>,
) -> Result<u64, StoreError> {
    let mut ended = 0;
    for chunk in keys.chunks(ASKED) {
        let ids: Vec<Value> = chunk.iter().cycle().take(ASKED).map(Value::text).collect();
        for row in tx.query(&BY_IDS, &ids).await? {
            let before = record::read(row)?;
            let mut after = before.clone();
            if let Some(entry) = rewrite(&mut after)? {
                record::check_change(&before, &after)?;
                keys::write(&before, &after, &entry, tx).await?;
                ended += 1;
            }
        }
    }
    Ok(ended)
}

async fn untold(wanted: &Wanted, tx: &mut Tx<'_>) -> Result<UntoldEnds, StoreError> {
    let rows = tx.query(NOTES, &wanted.behind).await?;
    let notes = rows.into_iter().map(read_note).collect::<Read<Vec<Note>>>()?;
    let is_full = u32::try_from(notes.len()).is_ok_and(|notes| notes >= wanted.limit);
    let next = notes.last().filter(|_| is_full).map(|note| note.place);
    let untold: Vec<Note> = notes.into_iter().filter(|note| !wanted.told.contains(&note.place)).collect();
    let keys: BTreeSet<KeyId> = untold.iter().map(|note| note.place.0).collect();
    let rows = STANDING_OF.run(keys.iter().map(|id| vec![Value::text(id)]).collect(), tx).await?;
    let lines = rows.into_iter().map(|mut row| read_line(&mut row).map(|line| (line.key_id, line)));
    let lines = lines.collect::<Read<HashMap<KeyId, KeyLine>>>()?;
    Ok(UntoldEnds { ends: untold.into_iter().map(|note| to_tell(&note, &lines)).collect(), next })
}

fn to_tell(note: &Note, lines: &HashMap<KeyId, KeyLine>) -> UntoldEnd {
    let line = lines.get(&note.place.0).copied();
    let replaced = line.zip(note.replaced).map(|(line, digest)| JournalLine::Replaced {
        tenant_id: line.tenant_id,
        key_id: line.key_id,
        secret: replaced_secret(digest),
        at: line.at,
    });
    let lines = replaced.into_iter().chain(line.map(JournalLine::Key)).collect();
    UntoldEnd { place: note.place, lines }
}

async fn journals(tx: &mut Tx<'_>) -> Result<Vec<JournalId>, StoreError> {
    tx.query(JOURNALS, &[]).await?.into_iter().map(|mut row| row.parsed("journal_id")).collect()
}

async fn name(id: &[Value; 1], is_alone: bool, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if is_alone {
        tx.execute(FORGET, &[]).await?;
    }
    tx.execute(NAME, id).await.map(drop)
}

async fn remove(ends: &[EndPlace], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let note = |(key_id, version): &EndPlace| vec![Value::text(key_id), (*version).into()];
    REMOVE.run(ends.iter().map(note).collect(), tx).await.map(drop)
}

async fn standings(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Vec<KeyLine>, StoreError> {
    tx.query(STANDING, args).await?.into_iter().map(|mut row| read_line(&mut row)).collect()
}

async fn replaced(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Vec<(Digest, JournalLine)>, StoreError> {
    tx.query(REPLACED, args).await?.into_iter().map(read_replaced).collect()
}

fn read_note(mut row: Row) -> Read<Note> {
    let place = (row.parsed("key_id")?, row.int("version")?);
    Ok(Note { place, replaced: row.opt_digest("replaced")? })
}

fn read_line(row: &mut Row) -> Read<KeyLine> {
    let (tenant_id, key_id) = (row.parsed("tenant_id")?, row.parsed("id")?);
    let (version, at) = (row.int("version")?, row.time("updated_at")?);
    let standing = Standing {
        revoked_at: row.opt_time("revoked_at")?,
        deleted_at: row.opt_time("deleted_at")?,
        expires_at: row.opt_time("expires_at")?,
        disabled: !row.truth("enabled")?,
        blocked: row.opt_text("blocked_reason")?.is_some(),
    };
    Ok(KeyLine { tenant_id, key_id, version, at, standing })
}

fn read_replaced(mut row: Row) -> Read<(Digest, JournalLine)> {
    let digest = row.digest("digest")?;
    let (tenant_id, key_id) = (row.parsed("tenant_id")?, row.parsed("key_id")?);
    let at: Timestamp = row.time("retired_at")?;
    Ok((digest, JournalLine::Replaced { tenant_id, key_id, secret: replaced_secret(digest), at }))
}
