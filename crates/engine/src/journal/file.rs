//! The file of the revocation journal: opened, made and added to.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use keystile_core::{JournalId, JournalLine, Timestamp};

use crate::EngineError;
use crate::private_file::make_private;

/// Most that is written at once, and so most that a server which is killed, or a machine without power, can leave unfinished.
pub(super) const AT_ONCE: usize = 1024 * 1024;

/// Longest first line.
const FIRST: u64 = 1024;

/// The journal, open to be written to by the one process that serves, which has it locked as long as it is open.
pub(crate) struct JournalFile {
    path: PathBuf,
    id: JournalId,
    file: File,
    /// The end of what is known to be on the disk.
    length: u64,
    /// Whether there may be something behind it.
    is_torn: bool,
}

/// What was found of a journal.
pub(super) enum Found {
    /// There is none.
    Nothing,
    /// It can be used.
    Whole(JournalFile),
    /// Another process writes to it.
    InUse,
    /// Something in it was changed since it was written, or it does not begin as a journal does.
    Damaged,
}

impl JournalFile {
    /// Opens the journal, and takes away what was not written to its end.
    pub(super) fn open(path: &Path) -> Result<Found, EngineError> {
        let failed = |error| EngineError::because(unusable(path), error);
        // A pipe, a folder or a device would be opened, or lose its mode, before anybody sees what it is.
        if fs::metadata(path).is_ok_and(|facts| !facts.is_file()) {
            return Err(EngineError::new(format!("{}: it is no file", unusable(path))));
        }
        make_private(path);
        let mut file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Found::InUse),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let Some(id) = begun(&mut file).map_err(failed)? else { return Ok(Found::Damaged) };
        let length = file.metadata().map_err(failed)?.len();
        let mut journal = Self { path: path.to_owned(), id, file, length, is_torn: false };
        Ok(if journal.mend().map_err(failed)? { Found::Whole(journal) } else { Found::Damaged })
    }

    /// Which it is.
    pub(super) const fn id(&self) -> JournalId {
        self.id
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a journal of the lines that are added, whole or not at all.
    pub(super) fn make(path: &Path, journal_id: JournalId, at: Timestamp) -> Result<Making, EngineError> {
        let failed = |error| EngineError::because(unusable(path), error);
        let beside = path.with_added_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        let to = BufWriter::new(file.map_err(failed)?);
        let mut making = Making { to, beside, path: path.to_owned() };
        making.add(&JournalLine::Begun { journal_id, at })?;
        Ok(making)
    }

    /// Adds lines, and returns when they are on the disk. When that fails they are not in the journal.
    pub(crate) fn append(&mut self, lines: &[JournalLine]) -> io::Result<()> {
        self.check_place()?;
        if self.is_torn {
            self.file.set_len(self.length)?;
            self.is_torn = false;
        }
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.write()?);
        }
        for piece in pieces(&text) {
            self.is_torn = true;
            self.file.write_all(piece.as_bytes())?;
            self.file.sync_data()?;
            self.length += piece.len() as u64;
            self.is_torn = false;
        }
        Ok(())
    }

    /// Makes sure that what is written is found by whoever opens the journal by its name, and is all that is written.
    fn check_place(&mut self) -> io::Result<()> {
        let (there, held) = (fs::metadata(&self.path)?, self.file.metadata()?);
        let place = |facts: &Metadata| (facts.dev(), facts.ino());
        if place(&there) != place(&held) {
            return self.follow();
        }
        let is_ours = held.len() == self.length || self.is_torn && held.len() > self.length;
        if is_ours { Ok(()) } else { Err(io::Error::other("others write to it, too: start anew")) }
    }

    /// Goes on with a copy that has taken the journal's place.
    fn follow(&mut self) -> io::Result<()> {
        match Self::open(&self.path) {
            Ok(Found::Whole(copy)) if (copy.id, copy.length) == (self.id, self.length) => {
                *self = copy;
                Ok(())
            }
            Ok(Found::Whole(_) | Found::Nothing | Found::InUse | Found::Damaged) => {
                Err(io::Error::other("another file has taken its place: put it back, or start anew"))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// The last line, unless there is none.
    pub(super) fn last(&mut self) -> io::Result<Option<JournalLine>> {
        let (tail, _) = self.tail()?;
        let mut lines =
            tail.strip_suffix(b"\n").into_iter().flat_map(|lines| lines.rsplit(|byte| *byte == b'\n'));
        let last = lines.next().map(JournalLine::read).transpose();
        last.map_err(|unread| io::Error::new(ErrorKind::InvalidData, unread))
    }

    /// Takes away what was not written to its end, which nobody was told to be there. Tells whether all before is whole, as far as it is looked
    /// at: what a write has left unfinished has nothing behind it.
    fn mend(&mut self) -> io::Result<bool> {
        let (tail, mut place) = self.tail()?;
        let mut first_broken = None;
        for line in tail.split_inclusive(|byte| *byte == b'\n') {
            match (is_whole(line), first_broken) {
                (true, Some(_)) => return Ok(false),
                (false, None) => first_broken = Some(place),
                (true, None) | (false, Some(_)) => {}
            }
            place += line.len() as u64;
        }
        if let Some(end) = first_broken {
            self.file.set_len(end)?;
            self.file.sync_data()?;
            self.length = end;
        }
        Ok(true)
    }

    /// The last lines, from the beginning of one of them on, and where that is: all that one write can have left unfinished.
    fn tail(&mut self) -> io::Result<(Vec<u8>, u64)> {
        let begins = self.length.saturating_sub(2 * AT_ONCE as u64);
        self.file.seek(SeekFrom::Start(begins))?;
        let mut tail = Vec::new();
        (&self.file).take(self.length - begins).read_to_end(&mut tail)?;
        if begins == 0 {
            return Ok((tail, 0));
        }
        let cut = tail.iter().position(|byte| *byte == b'\n').map_or(tail.len(), |end| end + 1);
        tail.drain(..cut);
        Ok((tail, begins + cut as u64))
    }
}

/// Which journal begins here.
fn begun(file: &mut File) -> io::Result<Option<JournalId>> {
    let mut first = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(FIRST).read_to_end(&mut first)?;
    let first = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(match JournalLine::read(first) {
        Ok(JournalLine::Begun { journal_id, .. }) => Some(journal_id),
        Ok(JournalLine::Key(_) | JournalLine::Replaced { .. } | JournalLine::Restored { .. }) | Err(_) => {
            None
        }
    })
}

/// Whether a line, with its line break, is as it was written.
fn is_whole(line: &[u8]) -> bool {
    line.strip_suffix(b"\n").is_some_and(JournalLine::is_whole)
}

/// Whole lines of at most [`AT_ONCE`] bytes together.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > AT_ONCE {
        // A line is far shorter.
        let end = rest.get(..AT_ONCE).and_then(|most| most.rfind('\n')).map_or(rest.len(), |end| end + 1);
        let (piece, left) = rest.split_at(end);
        pieces.push(piece);
        rest = left;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// A journal that is being made.
pub(super) struct Making {
    to: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
}

impl Making {
    pub(super) fn add(&mut self, line: &JournalLine) -> Result<(), EngineError> {
        let written = line.write().map_err(io::Error::from);
        let written = written.and_then(|text| self.to.write_all(text.as_bytes()));
        written.map_err(|error| EngineError::because(unusable(&self.path), error))
    }

    /// Puts it into its place.
    pub(super) fn finish(self) -> Result<JournalFile, EngineError> {
        let Self { to, beside, path } = self;
        let failed = |error| EngineError::because(unusable(&path), error);
        let file = to.into_inner().map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&beside, &path).map_err(failed)?;
        sync_folder(&path).map_err(failed)?;
        match JournalFile::open(&path)? {
            Found::Whole(journal) => Ok(journal),
            Found::Nothing | Found::InUse | Found::Damaged => {
                Err(EngineError::new(format!("{}: others write to it, too", unusable(&path))))
            }
        }
    }
}

/// Makes sure that the name of a new file is on the disk, too.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

pub(super) fn unusable(path: &Path) -> String {
    format!("the revocation journal {} cannot be used", path.display())
}

#[cfg(test)]
mod tests {
    use super::super::reading::read_all;
    use super::*;

    fn line(number: i64) -> JournalLine {
        JournalLine::Restored { at: Timestamp::from_millis(number), accepted: false }
    }

    const BEGUN: Timestamp = Timestamp::from_millis(0);

    fn id() -> JournalId {
        JournalId::from_parts(BEGUN, 1)
    }

    fn begun() -> JournalLine {
        JournalLine::Begun { journal_id: id(), at: BEGUN }
    }

    fn make(path: &Path, lines: &[JournalLine]) -> JournalFile {
        let mut making = JournalFile::make(path, id(), BEGUN).unwrap();
        lines.iter().for_each(|line| making.add(line).unwrap());
        making.finish().unwrap()
    }

    fn open(path: &Path) -> JournalFile {
        match JournalFile::open(path).unwrap() {
            Found::Whole(journal) => journal,
            Found::Nothing => panic!("there is none"),
            Found::InUse => panic!("it is in use"),
            Found::Damaged => panic!("it is damaged"),
        }
    }

    #[test]
    fn lines_are_added_behind_those_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        assert!(
            matches!(JournalFile::open(&path).unwrap(), Found::Nothing) && read_all(&path).unwrap().is_none()
        );
        assert_eq!(make(&path, &[]).last().unwrap(), Some(begun()));
        open(&path).append(&[line(1), line(2)]).unwrap();
        let mut journal = open(&path);
        journal.append(&[line(3)]).unwrap();
        assert_eq!(journal.last().unwrap(), Some(line(3)));
        assert_eq!(journal.id(), id());
        let text = [begun(), line(1), line(2), line(3)].map(|line| line.write().unwrap()).concat();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_was_not_written_to_its_end_is_taken_away_wherever_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let first = [begun(), line(1)].map(|line| line.write().unwrap()).concat();
        let second = line(2).write().unwrap();
        for end in 0..second.len() {
            for rest in ["", "\0\0\0\0"] {
                fs::write(&path, format!("{first}{}{rest}", &second[..end])).unwrap();
                assert!(read_all(&path).is_ok(), "{end}");
                let mut journal = open(&path);
                assert_eq!(fs::read_to_string(&path).unwrap(), first, "{end}");
                journal.append(&[line(3)]).unwrap();
                drop(journal);
                assert_eq!(open(&path).last().unwrap(), Some(line(3)));
            }
        }
    }

    #[test]
    fn a_line_that_was_changed_is_damage_and_tells_where() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        drop(make(&path, &[line(1), line(2), line(3)]));
        let text = fs::read_to_string(&path).unwrap();
        let second = text.lines().nth(2).unwrap();
        for other in [second.replace("restored", "rest0red"), String::new(), second[1..].to_owned()] {
            fs::write(&path, text.replace(second, &other)).unwrap();
            assert!(matches!(JournalFile::open(&path).unwrap(), Found::Damaged), "{other}");
            let told = read_all(&path).unwrap_err().to_string();
            assert!(told.contains("line 3 of") && told.contains("journal"), "{told}");
        }
    }

    #[test]
    fn what_a_later_version_wrote_is_kept_and_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        // `{"is":"moved"}` and its check.
        let text = format!(
            "{}{}{{\"is\":\"moved\"}} 91603b99\n",
            begun().write().unwrap(),
            line(1).write().unwrap()
        );
        fs::write(&path, &text).unwrap();
        let told = open(&path).last().unwrap_err().to_string();
        assert!(told.contains("a later version"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing of it is taken away");
        let told = std::error::Error::source(&read_all(&path).unwrap_err()).unwrap().to_string();
        assert!(told.contains("a later version"), "{told}");
    }

    #[test]
    fn a_file_that_does_not_begin_as_a_journal_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for text in [String::new(), line(1).write().unwrap(), "a letter".to_owned(), "a letter\n".to_owned()]
        {
            fs::write(&path, &text).unwrap();
            assert!(matches!(JournalFile::open(&path).unwrap(), Found::Damaged), "{text}");
            assert!(read_all(&path).unwrap_err().to_string().contains("line 1 of"), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "nothing of it is taken away");
        }
    }

    #[test]
    fn one_process_writes_at_a_time_and_others_that_do_are_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = make(&path, &[line(1)]);
        assert!(matches!(JournalFile::open(&path).unwrap(), Found::InUse));
        let before = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{before}another's")).unwrap();
        journal.append(&[line(2)]).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{before}another's"), "it is another's");
        drop(journal);
        assert_eq!(open(&path).last().unwrap(), Some(line(1)));
    }

    #[test]
    fn a_copy_that_has_taken_the_journals_place_is_written_to_and_no_other_file_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, away) = (folder.path().join("journal"), folder.path().join("away"));
        let mut journal = make(&path, &[line(1)]);
        fs::rename(&path, &away).unwrap();
        journal.append(&[line(2)]).unwrap_err();
        fs::write(&path, "").unwrap();
        journal.append(&[line(2)]).unwrap_err();
        fs::copy(&away, &path).unwrap();
        journal.append(&[line(2)]).unwrap();
        let before = [begun(), line(1)].map(|line| line.write().unwrap()).concat();
        assert_eq!(fs::read_to_string(&away).unwrap(), before);
        drop(journal);
        assert_eq!(open(&path).last().unwrap(), Some(line(2)));
    }

    #[test]
    fn what_is_no_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::create_dir(&path).unwrap();
        let mode = || std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        let before = mode();
        let told = JournalFile::open(&path).err().unwrap().to_string();
        assert!(told.contains("it is no file") && mode() == before, "{told}");
    }

    #[test]
    fn many_lines_are_written_in_pieces_of_whole_lines() {
        let lines = "0123456789abcde\n".repeat(AT_ONCE / 8);
        let found = pieces(&lines);
        assert!(found.len() > 1 && found.concat() == lines);
        assert!(found.iter().all(|piece| piece.len() <= AT_ONCE && piece.ends_with('\n')));
        assert_eq!(pieces(""), [""; 0]);
    }
}
