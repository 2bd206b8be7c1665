//! What a journal says, read from its first line to its last.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;

use keystile_core::journal::UnreadLine;
use keystile_core::{JournalLine, KnownEnds};

use super::file::unusable;
use crate::EngineError;

/// What was heard of a journal.
pub(super) struct Heard {
    /// What its whole lines say.
    pub(super) known: KnownEnds,
    /// The first line that is damaged.
    pub(super) damaged: Option<u64>,
}

/// Hears every whole line of a journal; nothing if there is none. What was not written to its end has nothing behind it, and was never relied on;
/// anything else that cannot be read is damage, and so is another beginning.
pub(super) fn hear(path: &Path) -> Result<Option<Heard>, EngineError> {
    let failed = |error| EngineError::because(unusable(path), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let (mut known, mut from, mut line) = (KnownEnds::default(), BufReader::new(file), Vec::new());
    let (mut number, mut first_broken, mut damaged) = (0, None, None);
    while from.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        number += 1;
        match line.strip_suffix(b"\n").map(JournalLine::read) {
            Some(Ok(told)) => {
                let begins = matches!(told, JournalLine::Begun { .. });
                damaged = damaged.or(first_broken).or((number == 1 && !begins).then_some(1));
                known.hear(&told);
            }
            Some(Err(unknown @ UnreadLine::Unknown)) => {
                return Err(EngineError::because(unusable(path), unknown));
            }
            Some(Err(UnreadLine::Broken)) | None => first_broken = first_broken.or(Some(number)),
        }
        line.clear();
    }
    // Not even the first line, with which a journal gets its place, is there.
    let damaged = damaged.or((number == 0 || first_broken == Some(1)).then_some(1));
    let known = if damaged.is_some() { known.with_gaps() } else { known };
    Ok(Some(Heard { known, damaged }))
}

/// All that a journal says, which has to be all that was ever written to it; nothing if there is none.
pub(crate) fn read_all(path: &Path) -> Result<Option<KnownEnds>, EngineError> {
    let Some(Heard { known, damaged: line }) = hear(path)? else { return Ok(None) };
    line.map_or(Ok(Some(known)), |line| Err(damaged(path, line)))
}

fn damaged(path: &Path, line: u64) -> EngineError {
    EngineError::new(format!(
        "line {line} of the revocation journal {} is damaged: put back a copy of the journal, or take the line away if you know what it said",
        path.display()
    ))
}
