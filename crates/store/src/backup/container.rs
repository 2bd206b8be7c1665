//! The file of a backup.
//!
//! A line that names the form, a line of JSON that says what is in the file, then pieces: a letter for what it is, its length in four bytes,
//! the highest first, and so many bytes. `T` begins a table, `R` is a row of it, `E` ends them all. The last 32 bytes are the SHA-256 of all
//! before them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use keystile_core::{Digest, Digesting};
use serde::{Deserialize, Serialize};

use super::encoding::{decode, encode};
use super::{BackupError, BackupHeader};
use crate::value::Value;

/// What every form begins with.
const KIND: &str = "keystile backup ";
/// The present form.
const FORMAT: u32 = 1;
/// Bytes of the digest at the end.
const DIGEST: u64 = 32;
/// Longest line at the beginning.
const LINE: u64 = 4096;
/// How much is read at a time.
const PIECE: usize = 256 * 1024;

const TABLE: u8 = b'T';
const ROW: u8 = b'R';
const END: u8 = b'E';

/// A table begins.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TableStart {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

/// There are no more tables.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    /// How many rows there are in all.
    pub(super) rows: u64,
}

/// Writes a backup.
pub(super) struct Writer<'w> {
    to: &'w mut (dyn Write + Send),
    digesting: Digesting,
    bytes: u64,
    row: Vec<u8>,
}

impl<'w> Writer<'w> {
    pub(super) fn begin(to: &'w mut (dyn Write + Send), header: &BackupHeader) -> io::Result<Self> {
        let mut writer = Self { to, digesting: Digesting::default(), bytes: 0, row: Vec::new() };
        writer.put(format!("{KIND}{FORMAT}\n{}\n", serde_json::to_string(header)?).as_bytes())?;
        Ok(writer)
    }

    pub(super) fn table(&mut self, start: &TableStart) -> io::Result<()> {
        self.piece(TABLE, &serde_json::to_vec(start)?)
    }

    pub(super) fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        encode(values, &mut row);
        let written = self.piece(ROW, &row);
        self.row = row;
        written
    }

    /// Ends the backup; tells its digest, and how many bytes it has.
    pub(super) fn finish(mut self, end: &End) -> io::Result<(Digest, u64)> {
        self.piece(END, &serde_json::to_vec(end)?)?;
        let digest = self.digesting.finish();
        self.to.write_all(digest.as_bytes())?;
        self.to.flush()?;
        Ok((digest, self.bytes + DIGEST))
    }

    fn piece(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        let length = u32::try_from(content.len()).map_err(|_| io::Error::other("a row is too long"))?;
        self.put(&[kind])?;
        self.put(&length.to_be_bytes())?;
        self.put(content)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digesting.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes)
    }
}

/// What comes next in a backup.
pub(super) enum Piece {
    Table(TableStart),
    Row(Vec<Value>),
    End(End),
}

/// A backup that was found whole.
pub struct Backup {
    from: BufReader<File>,
    header: BackupHeader,
    digest: Digest,
    bytes: u64,
    /// Where the first piece begins.
    begins: u64,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Backup {
    /// Reads all of a file once, and tells whether it is a whole backup. `told` hears now and then how many bytes were read.
    ///
    /// # Errors
    /// When it is none, is not whole, or was changed.
    pub fn open(file: File, told: &mut dyn FnMut(u64)) -> Result<Self, BackupError> {
        let bytes = file.metadata().map_err(BackupError::Read)?.len();
        let mut from = BufReader::with_capacity(PIECE, file);
        check_form(&mut from)?;
        let digest = check_digest(&mut from, bytes, told)?;
        from.seek(SeekFrom::Start(0)).map_err(BackupError::Read)?;
        let (form, header) = (read_line(&mut from)?, read_line(&mut from)?);
        let begins = (form.len() + header.len()) as u64;
        let header =
            serde_json::from_slice(&header).map_err(|_| BackupError::Damaged("nobody knows its header"))?;
        Ok(Self { from, header, digest, bytes, begins })
    }

    /// What it is of.
    pub const fn header(&self) -> &BackupHeader {
        &self.header
    }

    /// The digest at its end, which stands for all of it.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its length.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Goes back to the first piece.
    pub(super) fn rewind(&mut self) -> Result<(), BackupError> {
        self.from.seek(SeekFrom::Start(self.begins)).map(drop).map_err(BackupError::Read)
    }

    /// What comes next.
    pub(super) fn next_piece(&mut self) -> Result<Piece, BackupError> {
        let mut start = [0; 5];
        self.from.read_exact(&mut start).map_err(BackupError::Read)?;
        let [kind, length @ ..] = start;
        let length = u64::from(u32::from_be_bytes(length));
        if length > self.bytes {
            return Err(BackupError::Damaged("a piece is longer than the file"));
        }
        let mut content = Vec::new();
        let read = self.from.by_ref().take(length).read_to_end(&mut content).map_err(BackupError::Read)?;
        if read as u64 != length {
            return Err(BackupError::Damaged("a piece is not whole"));
        }
        let unknown = |_| BackupError::Damaged("nobody knows a piece");
        match kind {
            TABLE => serde_json::from_slice(&content).map(Piece::Table).map_err(unknown),
            END => serde_json::from_slice(&content).map(Piece::End).map_err(unknown),
            ROW => decode(&content).map(Piece::Row).ok_or(BackupError::Damaged("a row cannot be read")),
            _ => Err(BackupError::Damaged("nobody knows a piece")),
        }
    }
}

/// A line with its line break.
fn read_line(from: &mut BufReader<File>) -> Result<Vec<u8>, BackupError> {
    let mut line = Vec::new();
    from.by_ref().take(LINE).read_until(b'\n', &mut line).map_err(BackupError::Read)?;
    Ok(line)
}

fn check_form(from: &mut BufReader<File>) -> Result<(), BackupError> {
    let line = read_line(from)?;
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix('\n'));
    let form = text.and_then(|line| line.strip_prefix(KIND)?.parse::<u32>().ok());
    match form {
        Some(FORMAT) => Ok(()),
        Some(later) => Err(BackupError::Format(later)),
        None => Err(BackupError::Foreign),
    }
}

/// Reads everything from the start, and compares what the digest at the end says.
fn check_digest(
    from: &mut BufReader<File>,
    bytes: u64,
    told: &mut dyn FnMut(u64),
) -> Result<Digest, BackupError> {
    let content = bytes.checked_sub(DIGEST).ok_or(BackupError::Damaged("it is not whole"))?;
    from.seek(SeekFrom::Start(0)).map_err(BackupError::Read)?;
    let (mut digesting, mut left) = (Digesting::default(), content);
    let mut piece = vec![0; PIECE];
    while left > 0 {
        let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        from.read_exact(&mut piece[..most]).map_err(BackupError::Read)?;
        digesting.update(&piece[..most]);
        left -= most as u64;
        told(content - left);
    }
    let mut told_digest = [0; 32];
    from.read_exact(&mut told_digest).map_err(BackupError::Read)?;
    let digest = digesting.finish();
    if digest == Digest::from_bytes(told_digest) {
        Ok(digest)
    } else {
        Err(BackupError::Damaged("its digest does not fit, so it is not whole or was changed"))
    }
}
