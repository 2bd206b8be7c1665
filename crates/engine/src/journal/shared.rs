//! The journal of a server, which may lose the right to serve and get it back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keystile_core::JournalLine;
use parking_lot::Mutex;

use super::file::JournalFile;

/// The file while this server may serve; clones are the same.
#[derive(Clone)]
pub(crate) struct Journal {
    path: PathBuf,
    file: Arc<Mutex<Option<JournalFile>>>,
}

impl Journal {
    pub(crate) fn new(file: JournalFile) -> Self {
        Self { path: file.path().to_owned(), file: Arc::new(Mutex::new(Some(file))) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets go of the file, which another server may write to from now on, as soon as what is being written is. Nobody waits for that.
    pub(crate) fn let_go(&self) {
        let file = Arc::clone(&self.file);
        drop(tokio::task::spawn_blocking(move || drop(file.lock().take())));
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.file.lock().is_none()
    }

    /// Goes on with the file, which was opened again.
    pub(super) fn take_again(&self, file: JournalFile) {
        *self.file.lock() = Some(file);
    }

    /// Adds lines, and returns when they are on the disk.
    pub(super) fn append(&self, lines: &[JournalLine]) -> io::Result<()> {
        let mut file = self.file.lock();
        let file = file.as_mut().ok_or_else(|| io::Error::other("the right to serve was lost"))?;
        file.append(lines)
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::{JournalId, Timestamp};

    use super::super::file::Found;
    use super::super::opening::unlocked;
    use super::*;

    #[tokio::test]
    async fn whoever_serves_next_writes_to_it_and_this_server_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let now = Timestamp::from_millis(0);
        let made = JournalFile::make(&path, JournalId::from_parts(now, 1), now).unwrap();
        let journal = Journal::new(made.finish().unwrap());
        journal.append(&[]).unwrap();
        assert!(matches!(JournalFile::open(&path).unwrap(), Found::InUse));
        journal.let_go();
        let Found::Whole(other) = unlocked(&path).await.unwrap() else { panic!("it is not let go of") };
        assert!(journal.is_let_go());
        journal.append(&[]).unwrap_err();
        journal.take_again(other);
        journal.append(&[]).unwrap();
    }
}
