//! Opens the data file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::error::Cause;

/// The oldest SQLite without known corruption in WAL mode, as its version number.
const OLDEST: i32 = 3_051_003;
const OLDEST_SHOWN: &str = "3.51.3";
/// How long a statement waits for a lock of another process, such as a backup tool.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: more than are in use at a time.
const STATEMENTS: usize = 256;
/// Page cache per connection, in KiB: the upper levels of the indexes of millions of keys.
const CACHE_KIB: i64 = 16 * 1024;
/// Pages of 4 KiB in the write-ahead log, 16 MB of them, after which a commit moves them into the data file. A page that is written again and again, as the ends
/// of indexes are, is moved once each time: four times SQLite's default saved about a tenth of the processor time of a loop that writes events, and a fifth of its waiting.
const LOG_PAGES: i64 = 4_000;
/// Bytes of the log that stay when it is begun anew: four times what it usually has. What it grew by beyond that, as during a backup or by one large
/// transaction, is given back to the disk.
const LOG_KEPT: i64 = 64 * 1024 * 1024;

/// Makes the data file and its folder if need be, readable by their owner only, and takes the lock that
/// one process holds at a time.
pub(super) fn claim(path: &Path) -> Result<File, OpenError> {
    check_version()?;
    let failed = |source: std::io::Error| file_error(path, source);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder).map_err(failed)?;
    }
    let lock = open_private(&beside(path, ".lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    open_private(path).map_err(failed)?;
    Ok(lock)
}

/// The connection of the writer thread.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let connect = || -> rusqlite::Result<(Connection, String)> {
        let connection = connect(path)?;
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", LOG_KEPT)?;
        Ok((connection, mode))
    };
    let (connection, mode) = connect().map_err(|source| file_error(path, source))?;
    if mode != "wal" {
        let cause = "its file system does not allow write-ahead logging; use a local disk";
        return Err(file_error(path, cause));
    }
    Ok(connection)
}

/// The connection of a reader thread.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let connect = || -> rusqlite::Result<Connection> {
        let connection = connect(path)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        Ok(connection)
    };
    connect().map_err(|source| file_error(path, source))
}

/// A connection that reads beside whoever serves from the file, which has to be there.
pub(crate) fn open_beside(path: &Path) -> Result<Connection, OpenError> {
    check_version()?;
    open_reader(path)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.execute_batch("PRAGMA trusted_schema = OFF;")?;
    Ok(connection)
}

fn check_version() -> Result<(), OpenError> {
    if rusqlite::version_number() >= OLDEST {
        return Ok(());
    }
    let found = rusqlite::version().to_owned();
    Err(OpenError::TooOld { engine: "SQLite", found, needed: OLDEST_SHOWN })
}

fn file_error(path: &Path, source: impl Into<Cause>) -> OpenError {
    OpenError::File { path: path.to_owned(), source: source.into() }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// SQLite gives the files it makes beside the data file the same permissions.
fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
