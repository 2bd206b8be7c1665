//! Files that only their owner can read, or whom their owner hands them to.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::EngineError;

/// What others than owner and group can do with a file.
const OTHERS: u32 = 0o007;
const GROUP_READS: u32 = 0o040;
const GROUP_CHANGES: u32 = 0o030;
const ANYBODY_WRITES: u32 = 0o222;

/// Reads `what`, unless there is no such file yet. One that others can read is refused.
///
/// # Errors
/// When it cannot be read, or others can read or change it.
pub fn read_private(path: &Path, what: &str) -> Result<Option<Vec<u8>>, EngineError> {
    let failed = |error| EngineError::because(format!("{what} {} cannot be read", path.display()), error);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let facts = file.metadata().map_err(failed)?;
    if is_exposed(facts.mode(), facts.uid() == rustix::process::geteuid().as_raw()) {
        return Err(shared(path, what, facts.mode()));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content).map(|_| Some(content)).map_err(failed)
}

/// Whether somebody can read or change the file to whom nobody meant to give it. Secrets that Kubernetes and systemd mount
/// are readable by a group: either they belong to somebody else, who reaches us by the group, or nobody may write them. A
/// file of our own that we may write can be made private, and one that is not may have been made by chance.
const fn is_exposed(mode: u32, is_ours: bool) -> bool {
    let is_handed_over = !is_ours || mode & ANYBODY_WRITES == 0;
    mode & (OTHERS | GROUP_CHANGES) != 0 || (mode & GROUP_READS != 0 && !is_handed_over)
}

fn shared(path: &Path, what: &str, mode: u32) -> EngineError {
    let (path, mode) = (path.display(), mode & 0o777);
    EngineError::new(format!(
        "others can read or change {what} {path} (mode {mode:o}); run `chmod 600 {path}`, or mount it with mode 0400, or \
         0440 for a group"
    ))
}

/// Makes a database that others can read, or its group can write, private: one that was copied back from a backup, for
/// example. A group that may only read it keeps that, and what is no file keeps its mode.
pub(crate) fn make_private(path: &Path) {
    let Ok(facts) = fs::metadata(path) else { return };
    if !facts.is_file() || facts.mode() & (OTHERS | GROUP_CHANGES) == 0 {
        return;
    }
    let (file, mode) = (path.display(), facts.mode() & 0o777);
    match fs::set_permissions(path, Permissions::from_mode(0o600)) {
        Ok(()) => tracing::warn!("others could read or change {file} (mode {mode:o}); it has mode 600 now"),
        Err(error) => {
            tracing::warn!(%error, "others can read or change {file} (mode {mode:o}); run `chmod 600 {file}`");
        }
    }
}

/// Writes a file that only its owner can read: whole, or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), EngineError> {
    try_write(path, content)
        .map_err(|error| EngineError::because(format!("{} cannot be written", path.display()), error))
}

fn try_write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let beside = path.with_added_extension("new");
    // What an interrupted attempt left may have any mode, and be a link to anywhere.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_secret_may_be_read_by_a_group_and_no_secret_by_everybody() {
        for mode in [0o600, 0o400, 0o440, 0o700, 0o500] {
            assert!(!is_exposed(mode, true), "{mode:o}");
        }
        for mode in [0o640, 0o660, 0o620, 0o610, 0o444, 0o604, 0o644, 0o666, 0o601, 0o460, 0o450] {
            assert!(is_exposed(mode, true), "{mode:o}");
        }
        for mode in [0o640, 0o440, 0o400, 0o600] {
            assert!(!is_exposed(mode, false), "{mode:o}");
        }
        for mode in [0o660, 0o444, 0o644, 0o604, 0o602] {
            assert!(is_exposed(mode, false), "{mode:o}");
        }
    }
}
