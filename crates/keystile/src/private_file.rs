//! Files that only their owner can read.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::failure::Failure;

/// Reads `what`, unless there is no such file yet. One that others can read is refused.
pub(crate) fn read_private(path: &Path, what: &str) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(content) => refuse_if_shared(path, what).map(|()| Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::because(format!("{what} {} cannot be read", path.display()), &error)),
    }
}

fn refuse_if_shared(path: &Path, what: &str) -> Result<(), Failure> {
    let mode = fs::metadata(path).map(|facts| facts.permissions().mode()).unwrap_or_default();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(format!("others can read {what} {path}; run `chmod 600 {path}`")))
}

/// Writes a file that only its owner can read: whole, or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: &std::io::Error| Failure::because(format!("{} cannot be written", path.display()), error);
    let beside = path.with_added_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .map_err(|error| failed(&error))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&beside, path)).map_err(|error| failed(&error))
}
