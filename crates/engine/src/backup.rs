//! Backups of the database, and putting it back to one.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use keystile_core::{Clock, KnownEnds};
use keystile_store::{Backed, Backup, EngineName, Restoration, RestoreRefused, Restored, Store, StoreError};

use crate::journal::{Noting, again, read_all, sync_folder};
use crate::opening::{UNOPENED, connect};
use crate::{EngineError, EngineSettings, SystemClock, SystemEntropy};

/// How much is written at a time.
const PIECE: usize = 256 * 1024;

/// How to put a database back.
#[derive(Debug, Clone, Default)]
pub struct Restore {
    /// What is in the database may go.
    pub replace: bool,
    /// Revocation journals beside that of the settings: of other servers that have served from the database. Each has to be there.
    pub journals: Vec<PathBuf>,
    /// Keys that ended after the backup was made may come back.
    pub without_journal: bool,
    /// The backup is of the other engine: the rows move.
    pub change_engine: bool,
}

/// Writes a backup of the database to a new file that only its owner can read, whole or not at all, beside a server that serves from it. `told` hears
/// now and then how many rows were written.
///
/// # Errors
/// When there is such a file, the database cannot be read, or the file cannot be written.
pub async fn back_up(
    settings: &EngineSettings,
    file: &Path,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Backed, EngineError> {
    let name = file.display();
    if file.exists() {
        return Err(EngineError::new(format!("{name} is there already; a backup takes no other's place")));
    }
    let failed = |error| EngineError::because(format!("{name} cannot be written"), error);
    let beside = file.with_added_extension("part");
    let part = open_part(&beside)?;
    let backed = write(settings, &part, told).await;
    let backed = backed.map_err(|error| EngineError::because(format!("{name} was not written"), error));
    let placed = backed.and_then(|backed| put_in_place(&beside, file).map(|()| backed).map_err(failed));
    if placed.is_err() {
        // What is left of it is of no use, and said to be none by its name.
        let _left = fs::remove_file(&beside);
    }
    // Until now nobody else writes a file of that name.
    drop(part);
    let backed = placed?;
    sync_folder(file).map_err(failed)?;
    Ok(backed)
}

/// Gives a file its name, and takes no other's place, also not that of one that has come meanwhile.
fn put_in_place(beside: &Path, file: &Path) -> io::Result<()> {
    match fs::hard_link(beside, file) {
        Ok(()) => fs::remove_file(beside),
        // There are file systems without links.
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !file.exists() => fs::rename(beside, file),
        Err(error) => Err(error),
    }
}

/// Opens the file that is written beside, unless another process does so now. What an interrupted attempt left goes.
fn open_part(beside: &Path) -> Result<File, EngineError> {
    let name = beside.display();
    let failed = |error| EngineError::because(format!("{name} cannot be written"), error);
    if fs::symlink_metadata(beside).is_ok_and(|facts| !facts.is_file()) {
        return Err(EngineError::new(format!("{name} is there already, and is no file")));
    }
    let part = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside);
    let part = part.map_err(failed)?;
    match part.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(EngineError::new(format!("another backup writes {name}")));
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    let is_named =
        fs::metadata(beside).is_ok_and(|there| part.metadata().is_ok_and(|own| own.ino() == there.ino()));
    if !is_named {
        return Err(EngineError::new(format!("another backup has written {name}")));
    }
    part.set_permissions(Permissions::from_mode(0o600)).and_then(|()| part.set_len(0)).map_err(failed)?;
    Ok(part)
}

async fn write(
    settings: &EngineSettings,
    part: &File,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<Backed, keystile_store::BackupError> {
    let mut to = BufWriter::with_capacity(PIECE, part);
    let backed = keystile_store::back_up(&settings.location, SystemClock.now(), &mut to, told).await?;
    let synced = to.flush().and_then(|()| to.get_ref().sync_all());
    synced.map_err(keystile_store::BackupError::Write)?;
    Ok(backed)
}

/// Opens a backup and reads all of it once: whether it is whole is known before anything else is done. `told` hears now and then how many bytes
/// were read.
///
/// # Errors
/// When it cannot be read, is no backup, or is not as it was made.
pub fn open_backup(file: &Path, told: &mut dyn FnMut(u64)) -> Result<Backup, EngineError> {
    let unusable = || format!("{} cannot be used", file.display());
    let open = File::open(file).map_err(|error| EngineError::because(unusable(), error))?;
    Backup::open(open, told).map_err(|error| EngineError::because(unusable(), error))
}

/// Puts the database back to a backup. Keys that have ended since, as the revocation journal says, end again in the same transaction. `told`
/// hears now and then how many rows were written.
///
/// # Errors
/// When a server serves from the database, something is in it that may not go, the journal is missing or damaged, or the backup is of another engine
/// or a later version. Nothing is changed then.
pub async fn restore(
    settings: &EngineSettings,
    backup: Backup,
    how: &Restore,
    told: Box<dyn FnMut(u64) + Send>,
) -> Result<Restored, EngineError> {
    check_engine(settings, &backup, how)?;
    let store = connect(settings).await?;
    let restored = put_back(settings, &store, backup, how, told).await;
    store.close().await;
    restored
}

async fn put_back(
    settings: &EngineSettings,
    store: &Store,
    backup: Backup,
    how: &Restore,
    told: Box<dyn FnMut(u64) + Send>,
) -> Result<Restored, EngineError> {
    let unopened = |error| EngineError::because(UNOPENED, error);
    let _helm = store.take_helm().await.map_err(unopened)?;
    // Only now: a server that was ending when this began has told the journal of its last changes.
    let ends = known_ends(settings, how)?;
    let noting = Noting::open(&settings.revocation_journal).await?;
    let now = SystemClock.now();
    let (keys, rewrite) = again(ends, now, &SystemEntropy)?;
    let keep_journal = noting.is_there();
    let restoration = Restoration { backup, replace: how.replace, keep_journal, keys, rewrite, told };
    let restored = store.restore(restoration).await;
    let restored = restored.map_err(|error| {
        let what = match &error {
            StoreError::InDoubt { .. } => "it is not known whether the backup was restored: run it again",
            StoreError::Unavailable(_)
            | StoreError::Corrupt(_)
            | StoreError::Refused(_)
            | StoreError::Conflict(_)
            | StoreError::Archived(_) => "the backup was not restored",
        };
        EngineError::because(what, error)
    })?;
    let restored = restored.map_err(|refused| match refused {
        RestoreRefused::NotEmpty => EngineError::new(
            "the database is not empty: back it up first, and say --replace if what is in it may go",
        ),
        refused @ RestoreRefused::Schema(_) => EngineError::because("the backup was not restored", refused),
    })?;
    // Only now: what is refused or fails leaves the database as it was. Versions of keys that follow are not to be taken for those of before.
    noting.note(now, how.without_journal).map_err(|error| {
        EngineError::because(
            "the backup was restored, but the revocation journal does not know: mend what is wrong, and run it again",
            error,
        )
    })?;
    Ok(restored)
}

fn check_engine(settings: &EngineSettings, backup: &Backup, how: &Restore) -> Result<(), EngineError> {
    let (from, to) = (backup.header().engine, EngineName::of(&settings.location));
    if from == to || how.change_engine {
        return Ok(());
    }
    Err(EngineError::new(format!(
        "the backup is of {from}, and the database is {to}: name the right database, or say --change-engine to move to {to}"
    )))
}

/// What the journals say, or nothing if they may say nothing.
fn known_ends(settings: &EngineSettings, how: &Restore) -> Result<KnownEnds, EngineError> {
    if how.without_journal {
        return Ok(KnownEnds::default());
    }
    let own = read_all(&settings.revocation_journal)?;
    if own.is_none() && how.journals.is_empty() {
        return Err(missing(&settings.revocation_journal));
    }
    let mut known = own.unwrap_or_default();
    for path in &how.journals {
        known.join(read_all(path)?.ok_or_else(|| missing(path))?);
    }
    Ok(known)
}

fn missing(path: &Path) -> EngineError {
    EngineError::new(format!(
        "the revocation journal {} is not there, so keys that ended after the backup was made would be good again: put it there, name \
         it with --journal or KEYSTILE_REVOCATION_JOURNAL, or say --without-journal if that may be",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    /// Settings of a folder in which an engine ran.
    async fn used(folder: &Path) -> EngineSettings {
        let settings = EngineSettings::in_folder(folder);
        Engine::start(&settings).await.unwrap().stop().await;
        settings
    }

    fn nobody() -> Box<dyn FnMut(u64) + Send> {
        Box::new(|_| {})
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_is_its_owners_only_and_takes_no_others_place() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, file) = (used(&folder.path().join("data")).await, folder.path().join("backup"));
        let running = Engine::start(&settings).await.unwrap();
        let backed = back_up(&settings, &file, &mut *nobody()).await.unwrap();
        running.stop().await;
        let facts = fs::metadata(&file).unwrap();
        assert_eq!((facts.permissions().mode() & 0o777, facts.len()), (0o600, backed.bytes));
        let before = fs::read(&file).unwrap();
        back_up(&settings, &file, &mut *nobody()).await.unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), before);
        let beside = file.with_added_extension("part");
        let written = open_part(&beside).unwrap();
        let refused = back_up(&settings, &folder.path().join("backup"), &mut *nobody()).await.unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
        let refused = open_part(&beside).unwrap_err();
        assert!(refused.to_string().contains("another backup writes"), "{refused}");
        drop(written);
        fs::write(&beside, "what an interrupted attempt left").unwrap();
        assert_eq!(open_part(&beside).unwrap().metadata().unwrap().len(), 0);
        fs::remove_file(&beside).unwrap();
        let missing = EngineSettings::in_folder(&folder.path().join("nowhere"));
        back_up(&missing, &folder.path().join("other"), &mut *nobody()).await.unwrap_err();
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 2, "nothing is left of a backup that failed");
        assert_eq!(open_backup(&file, &mut |_| {}).unwrap().digest(), backed.digest);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_is_restored_without_a_server_and_with_the_journal_only() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, file) = (used(&folder.path().join("data")).await, folder.path().join("backup"));
        back_up(&settings, &file, &mut *nobody()).await.unwrap();
        let open = || open_backup(&file, &mut |_| {}).unwrap();
        let running = Engine::start(&settings).await.unwrap();
        let refused = restore(&settings, open(), &Restore::default(), nobody()).await.unwrap_err();
        running.stop().await;
        assert_eq!(refused.to_string(), UNOPENED);
        restore(&settings, open(), &Restore::default(), nobody()).await.unwrap();

        fs::remove_file(&settings.revocation_journal).unwrap();
        let refused = restore(&settings, open(), &Restore::default(), nobody()).await.unwrap_err();
        assert!(refused.to_string().contains("--without-journal"), "{refused}");
        let accepted = Restore { without_journal: true, ..Restore::default() };
        restore(&settings, open(), &accepted, nobody()).await.unwrap();
        // The next start makes the journal that is not there.
        Engine::start(&settings).await.unwrap().stop().await;
        restore(&settings, open(), &Restore::default(), nobody()).await.unwrap();

        let (elsewhere, nowhere) = (folder.path().join("elsewhere"), folder.path().join("nowhere"));
        fs::rename(&settings.revocation_journal, &elsewhere).unwrap();
        let both = Restore { journals: vec![elsewhere.clone(), nowhere], ..Restore::default() };
        let refused = restore(&settings, open(), &both, nobody()).await.unwrap_err();
        assert!(refused.to_string().contains("nowhere is not there"), "{refused}");
        let named = Restore { journals: vec![elsewhere], ..Restore::default() };
        restore(&settings, open(), &named, nobody()).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_does_without_the_journal_that_it_names_only_when_that_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let settings = used(folder.path()).await;
        fs::remove_file(&settings.revocation_journal).unwrap();
        let Err(refused) = Engine::start(&settings).await else { panic!("it starts") };
        let told = refused.to_string();
        assert!(told.contains("KEYSTILE_NEW_REVOCATION_JOURNAL=true"), "{told}");
        assert!(!settings.revocation_journal.exists());
        let accepting = EngineSettings { new_revocation_journal: true, ..settings.clone() };
        Engine::start(&accepting).await.unwrap().stop().await;
        Engine::start(&settings).await.unwrap().stop().await;
        // Another server's.
        let other = used(&folder.path().join("other")).await;
        let others = fs::read_to_string(&other.revocation_journal).unwrap();
        fs::write(&settings.revocation_journal, &others).unwrap();
        Engine::start(&settings).await.unwrap().stop().await;
        let all_told = fs::read_to_string(&settings.revocation_journal).unwrap();
        assert!(all_told.starts_with(&others) && all_told.len() > others.len(), "{all_told}");
    }
}
