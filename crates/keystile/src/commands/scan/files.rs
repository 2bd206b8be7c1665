//! The files below a folder.

use std::fs::{self, DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};

use super::excluded::Pattern;
use super::findings::{Findings, Place, Reader};
use crate::commands::output::{plain, tell};
use crate::failure::Failure;

/// A walk through all files. Links are not followed: what they lead to is either searched where it is, or somewhere else.
pub(super) struct Walk<'a> {
    /// Where it begins.
    pub(super) root: &'a Path,
    pub(super) excluded: &'a [Pattern],
    /// A folder that is searched in another way.
    pub(super) without: Option<PathBuf>,
    pub(super) findings: &'a mut Findings,
}

impl Walk<'_> {
    /// Searches them. What cannot be read is told, counted, and passed over.
    pub(super) fn search(mut self) -> Result<(), Failure> {
        let missing =
            |error: io::Error| Failure::because(format!("{} cannot be read", shown(self.root)), &error);
        let mut reader = Reader::new();
        if fs::metadata(self.root).map_err(missing)?.is_file() {
            let path = self.root.to_string_lossy().into_owned();
            let searched = self.file(self.root, &path, &mut reader);
            self.tell(self.root, searched);
            return Ok(());
        }
        let mut folders = vec![self.root.to_owned()];
        while let Some(folder) = folders.pop() {
            let entered = self.folder(&folder, &mut folders, &mut reader);
            self.tell(&folder, entered);
        }
        Ok(())
    }

    /// Searches the files of a folder, and notes its folders.
    fn folder(&mut self, folder: &Path, folders: &mut Vec<PathBuf>, reader: &mut Reader) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(DirEntry::file_name);
        let mut inner = Vec::new();
        for entry in entries {
            let path = entry.path();
            let below = self.below(&path);
            if self.excluded.iter().any(|pattern| pattern.covers(&below)) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && self.without.as_ref() != Some(&path) => inner.push(path),
                Ok(kind) if kind.is_file() => {
                    let searched = self.file(&path, &below, reader);
                    self.tell(&path, searched);
                }
                // A link, a socket or a device.
                Ok(_) => {}
                Err(error) => self.tell(&path, Err(error)),
            }
        }
        // The last folder that is noted is searched first.
        folders.extend(inner.into_iter().rev());
        Ok(())
    }

    fn file(&mut self, file: &Path, path: &str, reader: &mut Reader) -> io::Result<()> {
        let findings = &mut *self.findings;
        reader.keys(&mut File::open(file)?, |key| {
            let index = findings.note(key);
            let place = Place { path: Some(path.to_owned()), line: key.line, commit: None, object: None };
            findings.place(index, place);
        })
    }

    /// The path from where the search began, with `/` between its parts.
    fn below(&self, path: &Path) -> String {
        let below = path.strip_prefix(self.root).unwrap_or(path);
        let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    fn tell(&mut self, path: &Path, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            self.findings.unread += 1;
            tell(&format!("warning: {} cannot be read: {error}\n", shown(path)));
        }
    }
}

fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}
