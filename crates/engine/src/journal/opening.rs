//! Opening the journal at the start of a server, and ending keys again that an older database has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keystile_core::journal::{KeyLine, Standing};
use keystile_core::{
    ApiKey, AuditId, Clock, Entropy, JournalId, JournalLine, KeyId, KnownEnds, TenantId, Timestamp,
};
use keystile_manage::end_again;
use keystile_store::{Rewrite, Store};

use super::file::{Found, JournalFile, sync_folder};
use super::reading::{Heard, hear};
use crate::EngineError;

/// How many rows are read at a time.
const AT_ONCE: u32 = 1000;
/// How long a server that starts waits for one that lets go of the journal.
const HANDOVER: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
const UNREAD: &str = "how keys stand cannot be read for the revocation journal";

/// What opening a journal takes.
pub(crate) struct Opening<'a> {
    /// Where it is.
    pub(crate) path: &'a Path,
    /// The database, from which nobody serves.
    pub(crate) store: &'a Store,
    /// Whether the server is one of several, each of which has a journal of its own.
    pub(crate) is_among: bool,
    /// Whether another may be made where the one is missing that the database names.
    pub(crate) makes_another: bool,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) entropy: &'a dyn Entropy,
}

impl Opening<'_> {
    /// Opens the journal. A new database gets one. One that is damaged is made anew, of what its whole lines and the database say. A database that is
    /// older than its journal is told what has ended since, and a journal that another database was told to is told all that this one knows.
    pub(crate) async fn open(self) -> Result<JournalFile, EngineError> {
        let named = journals(self.store).await?;
        let mut journal = match unlocked(self.path).await? {
            Found::Whole(journal) => journal,
            Found::InUse => return Err(in_use(self.path)),
            // A node that is new has none.
            Found::Nothing if !named.is_empty() && !self.makes_another && !self.is_among => {
                return Err(missing(self.path));
            }
            Found::Nothing => return self.make().await,
            Found::Damaged => return self.make_anew().await,
        };
        let last = journal.last().map_err(|error| unread(self.path, error))?;
        let is_whole = if is_own(&journal, (self.store, self.is_among)).await? {
            !is_older(self.store, last).await? || self.end_since(last, &mut journal).await?
        } else {
            self.take_up(last, &mut journal).await?
        };
        if is_whole {
            return Ok(journal);
        }
        drop(journal);
        self.make_anew().await
    }

    /// Takes up a journal to which this database was told last when it had another one, or never: first what the journal knows of keys is in the database,
    /// as far as that is older, and then the other way round. Tells whether the journal is whole.
    async fn take_up(
        &self,
        last: Option<JournalLine>,
        journal: &mut JournalFile,
    ) -> Result<bool, EngineError> {
        let Some(Heard { known, damaged: None }) = hear(self.path)? else { return Ok(false) };
        let heard_of = known.keys().collect();
        if !matches!(last, Some(JournalLine::Restored { accepted: true, .. })) {
            self.end(known.with_gaps()).await?;
        }
        adopt(journal, (self.store, self.is_among), &heard_of, self.clock.now()).await?;
        Ok(true)
    }

    /// Ends keys again that have ended since the state of the database. If that is interrupted, the next start does it once more, as what is ended here gets
    /// versions above all that were told. Tells whether the journal is whole.
    async fn end_since(
        &self,
        last: Option<JournalLine>,
        journal: &mut JournalFile,
    ) -> Result<bool, EngineError> {
        let Some(Heard { known, damaged: None }) = hear(self.path)? else { return Ok(false) };
        let ended = self.end(known).await?;
        if ended == 0 && matches!(last, Some(JournalLine::Restored { .. })) {
            return Ok(true);
        }
        // Versions that follow are not to be taken for those of before.
        let restored = JournalLine::Restored { at: self.clock.now(), accepted: false };
        journal.append(&[restored]).map_err(|error| unread(self.path, error))?;
        tracing::warn!(
            keys = ended,
            "the database was older than its revocation journal: keys that have ended since were ended again"
        );
        Ok(true)
    }

    async fn end(&self, known: KnownEnds) -> Result<u64, EngineError> {
        let (keys, rewrite) = again(known, self.clock.now(), self.entropy)?;
        let ended = self.store.end_again(keys, rewrite).await;
        ended.map_err(|error| EngineError::because("keys that have ended cannot be ended again", error))
    }

    /// Keeps a journal that is damaged, and makes another. What its whole lines say is in the database before that.
    async fn make_anew(&self) -> Result<JournalFile, EngineError> {
        let ended = match hear(self.path)? {
            Some(heard) => self.end(heard.known).await?,
            None => 0,
        };
        let aside = set_aside(self.path, self.clock.now())?;
        let kept = aside.display();
        tracing::error!(
            %kept,
            keys = ended,
            "the revocation journal was damaged: keys were ended again that end by its whole lines, and it is made anew of what the database says"
        );
        self.make().await
    }

    /// Makes a journal of how all keys stand that stand otherwise than a new key, and of all secrets that were replaced. The database names it when it is
    /// there.
    async fn make(&self) -> Result<JournalFile, EngineError> {
        let mut random = [0; 16];
        let filled = self.entropy.fill(&mut random);
        filled.map_err(|error| EngineError::because("a revocation journal cannot be named", error))?;
        let now = self.clock.now();
        let id = JournalId::from_parts(now, u128::from_be_bytes(random));
        let mut making = JournalFile::make(self.path, id, now)?;
        let tell = &mut |lines: Vec<JournalLine>| lines.iter().try_for_each(|line| making.add(line));
        each_end(self.store, &HashSet::new(), tell).await?;
        making.add(&all_told(now))?;
        let journal = making.finish()?;
        name((self.store, self.is_among), id).await?;
        Ok(journal)
    }
}

/// Tells a journal to which this database was not told all that is known of its keys, and names it. It has `heard_of` these keys, which may stand as new
/// ones do by now.
async fn adopt(
    journal: &mut JournalFile,
    (store, is_among): (&Store, bool),
    heard_of: &HashSet<KeyId>,
    now: Timestamp,
) -> Result<(), EngineError> {
    let id = journal.id();
    let path = journal.path().to_owned();
    let tell = &mut |lines: Vec<JournalLine>| journal.append(&lines).map_err(|error| unread(&path, error));
    each_end(store, heard_of, tell).await?;
    journal.append(&[all_told(now)]).map_err(|error| unread(&path, error))?;
    name((store, is_among), id).await?;
    tracing::warn!(journal = %path.display(), "the database was told to another revocation journal: this one knows all its keys from now on");
    Ok(())
}

async fn name((store, is_among): (&Store, bool), id: JournalId) -> Result<(), EngineError> {
    let named = store.name_journal(id, !is_among).await;
    named.map_err(|error| {
        EngineError::because("the revocation journal cannot be noted in the database", error)
    })
}

/// Whether the database was told to this journal. Whoever serves alone behind several nodes has to know what each was told.
async fn is_own(journal: &JournalFile, (store, is_among): (&Store, bool)) -> Result<bool, EngineError> {
    let named = journals(store).await?;
    Ok(named.contains(&journal.id()) && (is_among || named.len() == 1))
}

async fn journals(store: &Store) -> Result<Vec<JournalId>, EngineError> {
    store.journals().await.map_err(|error| EngineError::because(UNREAD, error))
}

/// What follows lines that were not told as it happened: the last of them says nothing of how old a database is that is found later.
const fn all_told(at: Timestamp) -> JournalLine {
    JournalLine::Restored { at, accepted: false }
}

/// All that a journal has to know of the keys of a database, some lines at a time: of those that do not stand as new ones do, and those that it has
/// `heard_of`.
async fn each_end(
    store: &Store,
    heard_of: &HashSet<KeyId>,
    tell: &mut (dyn FnMut(Vec<JournalLine>) -> Result<(), EngineError> + Send),
) -> Result<(), EngineError> {
    let unread = |error| EngineError::because(UNREAD, error);
    let mut after = None;
    loop {
        let found = store.replaced_secrets(after, AT_ONCE).await.map_err(unread)?;
        let Some((last, _)) = found.last() else { break };
        after = Some(*last);
        tell(found.into_iter().map(|(_, line)| line).collect())?;
    }
    let mut after = None;
    loop {
        let found = store.standings(after, AT_ONCE).await.map_err(unread)?;
        let Some(last) = found.last() else { break };
        after = Some(last.key_id);
        let is_news =
            |line: &KeyLine| line.standing != Standing::default() || heard_of.contains(&line.key_id);
        tell(found.into_iter().filter(is_news).map(JournalLine::Key).collect())?;
    }
    Ok(())
}

/// Renames a journal that is damaged; gives its new name, which has the moment.
fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, EngineError> {
    let aside = path.with_added_extension(format!("damaged-{}", now.to_string().replace(':', "-")));
    std::fs::rename(path, &aside).and_then(|()| sync_folder(path)).map_err(|error| unread(path, error))?;
    Ok(aside)
}

fn missing(path: &Path) -> EngineError {
    EngineError::new(format!(
        "the revocation journal {} is not there, which tells how the keys of this database have ended: put it there, or name it with \
         KEYSTILE_REVOCATION_JOURNAL. If it is lost, start once with KEYSTILE_NEW_REVOCATION_JOURNAL=true: another one is made of what the database says",
        path.display()
    ))
}

/// How the journal is told that the database was put back, when that is done.
pub(crate) struct Noting {
    path: PathBuf,
    journal: Option<JournalFile>,
    is_damaged: bool,
}

impl Noting {
    /// Opens what there is.
    pub(crate) async fn open(path: &Path) -> Result<Self, EngineError> {
        let (journal, is_damaged) = match unlocked(path).await? {
            Found::Nothing => (None, false),
            Found::Damaged => (None, true),
            Found::InUse => return Err(in_use(path)),
            Found::Whole(journal) => (Some(journal), false),
        };
        Ok(Self { path: path.to_owned(), journal, is_damaged })
    }

    /// Whether there is a journal that goes on.
    pub(crate) const fn is_there(&self) -> bool {
        self.journal.is_some()
    }

    /// Notes it. A journal that is not there is left so, and one that is damaged, which somebody has accepted, is set aside: the next start makes another.
    pub(crate) fn note(self, at: Timestamp, accepted: bool) -> Result<(), EngineError> {
        if self.is_damaged {
            return set_aside(&self.path, at).map(drop);
        }
        let line = JournalLine::Restored { at, accepted };
        let noted = self.journal.map_or(Ok(()), |mut journal| journal.append(&[line]));
        noted.map_err(|error| unread(&self.path, error))
    }
}

/// Opens the journal again that was let go of, as the right to serve alone was lost.
pub(super) async fn reopen(path: &Path, store: &Store, now: Timestamp) -> Result<JournalFile, EngineError> {
    match unlocked(path).await? {
        Found::Whole(mut journal) => {
            // Another server may have told another one meanwhile.
            if !is_own(&journal, (store, false)).await? {
                let Some(Heard { known, damaged: None }) = hear(path)? else { return Err(lost(path)) };
                adopt(&mut journal, (store, false), &known.keys().collect(), now).await?;
            }
            Ok(journal)
        }
        Found::InUse => Err(in_use(path)),
        Found::Nothing | Found::Damaged => Err(lost(path)),
    }
}

fn lost(path: &Path) -> EngineError {
    EngineError::new(format!("the revocation journal {} is gone or damaged: start anew", path.display()))
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
        None | Some(JournalLine::Begun { .. }) => false,
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

fn unread(path: &Path, error: std::io::Error) -> EngineError {
    EngineError::because(format!("the revocation journal {} cannot be used", path.display()), error)
}
