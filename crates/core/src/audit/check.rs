//! Checks an export, piece by piece, without keeping it: any change, removal, insertion or reordering is found, and
//! the first is told with its line.

use super::chain::{ChainHead, Line, Seq};
use super::export::{is_footer, read_footer, read_header};
use crate::TenantId;

/// Longest line that is read, in bytes; far more than the largest entry has.
pub const MAX_LINE: usize = 4 * 1024 * 1024;

/// What was found good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verified {
    /// Whose log it is.
    pub tenant_id: TenantId,
    /// The first place in it.
    pub first_seq: Seq,
    /// How many entries there are.
    pub count: u64,
    /// Where they end.
    pub head: ChainHead,
}

/// What is wrong, and on which line first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Fault {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: Wrong,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It should be the first line.
    #[error("the first line of the export was changed or is missing")]
    Header,
    /// The entry's text and hash do not belong together.
    #[error("entry {0} was changed")]
    Changed(Seq),
    /// Entries that should stand here are nowhere in the export.
    #[error("{} missing before this line", Places(.0, .1))]
    Missing(Seq, Seq),
    /// An entry that should stand here stands further down.
    #[error("entry {seq} should stand here, but stands on line {on}: the order was changed")]
    Moved {
        /// The entry.
        seq: Seq,
        /// Where it stands.
        on: u64,
    },
    /// An entry stands here that stood further up.
    #[error("entry {0} stands here a second time")]
    Repeated(Seq),
    /// The entry is another tenant's.
    #[error("entry {0} belongs to another tenant")]
    Foreign(Seq),
    /// The entry is good in itself but names another one before it.
    #[error("entry {0} does not follow from what stands before it: one of the two was replaced")]
    Unlinked(Seq),
    /// The last line does not tell what stands above it.
    #[error("the last line of the export was changed")]
    Footer,
    /// There is no last line.
    #[error("the export breaks off here, behind entry {0}")]
    Truncated(Seq),
    /// Something stands behind the last line.
    #[error("something stands behind the end of the export")]
    Behind,
    /// The line is longer than any entry.
    #[error("this line is longer than any entry can be")]
    TooLong,
    /// The entry has another hash than the one that was noted.
    #[error(
        "entry {0} has another hash than the head that was noted: the log was rewritten, there or before it"
    )]
    Rewritten(Seq),
    /// The export ends before the noted head.
    #[error("the export ends here, before entry {0}, which the head that was noted stands for")]
    BeforeHead(Seq),
    /// The export begins behind the noted head.
    #[error(
        "the export begins behind entry {0}, so the head that was noted cannot be compared; export from there"
    )]
    BehindHead(Seq),
}

impl Wrong {
    /// One word for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Changed(_) => "changed",
            Self::Missing(..) => "missing",
            Self::Moved { .. } => "moved",
            Self::Repeated(_) => "repeated",
            Self::Foreign(_) => "foreign",
            Self::Unlinked(_) => "unlinked",
            Self::Footer => "footer",
            Self::Truncated(_) => "truncated",
            Self::Behind => "behind_the_end",
            Self::TooLong => "too_long",
            Self::Rewritten(_) => "rewritten",
            Self::BeforeHead(_) => "ends_before_head",
            Self::BehindHead(_) => "begins_behind_head",
        }
    }

    /// The entry it is about, the first if there are several.
    pub const fn seq(&self) -> Option<Seq> {
        match self {
            Self::Changed(seq)
            | Self::Missing(seq, _)
            | Self::Moved { seq, .. }
            | Self::Repeated(seq)
            | Self::Foreign(seq)
            | Self::Unlinked(seq)
            | Self::Truncated(seq)
            | Self::Rewritten(seq)
            | Self::BeforeHead(seq)
            | Self::BehindHead(seq) => Some(*seq),
            Self::Header | Self::Footer | Self::Behind | Self::TooLong => None,
        }
    }
}

struct Places<'a>(&'a Seq, &'a Seq);

impl std::fmt::Display for Places<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(first, last) = self;
        if first == last { write!(f, "entry {first} is") } else { write!(f, "entries {first} to {last} are") }
    }
}

/// Reads an export. It is done at the first fault: what comes behind one proves nothing.
#[derive(Debug)]
pub struct Checker {
    noted: Option<ChainHead>,
    unfinished: Vec<u8>,
    line: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// Nothing was read yet.
    Beginning,
    /// The first line and some entries were good.
    Entries(Verified),
    /// Entries are missing; whether the first of them stands further down is still to be seen.
    Gap { line: u64, first: Seq, last: Seq },
    /// The last line was good.
    End(Verified),
}

impl Checker {
    /// A checker that has seen nothing. `noted` is a head that somebody kept since an earlier time.
    pub const fn new(noted: Option<ChainHead>) -> Self {
        Self { noted, unfinished: Vec::new(), line: 0, stage: Stage::Beginning }
    }

    /// Takes the next piece of the export, however it was cut.
    ///
    /// # Errors
    /// The first fault. There is no use in going on behind it.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), Fault> {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = piece.split_at(end);
            piece = rest.get(1..).unwrap_or_default();
            if self.unfinished.is_empty() {
                self.take(head)?;
            } else {
                let mut line = std::mem::take(&mut self.unfinished);
                line.extend_from_slice(head);
                self.take(&line)?;
            }
        }
        self.unfinished.extend_from_slice(piece);
        if self.unfinished.len() > MAX_LINE {
            return Err(self.fault(self.line + 1, Wrong::TooLong));
        }
        Ok(())
    }

    /// What was found, when the export is at its end.
    ///
    /// # Errors
    /// When it breaks off, when entries are missing, or when it ends before the noted head.
    pub fn finish(self) -> Result<Verified, Fault> {
        let next = self.line + 1;
        match self.stage {
            Stage::Gap { line, first, last } => Err(self.fault(line, Wrong::Missing(first, last))),
            Stage::Beginning => Err(self.fault(next, Wrong::Header)),
            Stage::Entries(good) => Err(self.fault(next, Wrong::Truncated(good.head.seq))),
            Stage::End(_) if !self.unfinished.is_empty() => Err(self.fault(next, Wrong::Behind)),
            Stage::End(good) => match self.noted {
                Some(noted) if noted.seq > good.head.seq => {
                    Err(self.fault(self.line, Wrong::BeforeHead(noted.seq)))
                }
                _ => Ok(good),
            },
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.line += 1;
        let next = match self.stage {
            Stage::Beginning => self.begin(line),
            Stage::Entries(good) if is_footer(line) => self.end(good, line),
            Stage::Entries(good) => self.entry(good, line),
            Stage::Gap { line: at, first, last } => match Line::read(line) {
                Some(found) if found.seq == first => {
                    return Err(self.fault(at, Wrong::Moved { seq: first, on: self.line }));
                }
                Some(found) if (first..=last).contains(&found.seq) => {
                    Ok(Stage::Gap { line: at, first, last: found.seq.before() })
                }
                _ => Ok(self.stage),
            },
            Stage::End(_) => Err(Wrong::Behind),
        };
        self.stage = next.map_err(|what| self.fault(self.line, what))?;
        Ok(())
    }

    fn begin(&self, line: &[u8]) -> Result<Stage, Wrong> {
        let (tenant_id, behind) = read_header(line).ok_or(Wrong::Header)?;
        if behind.seq < Seq::FIRST && behind != ChainHead::empty(tenant_id) {
            return Err(Wrong::Header);
        }
        match self.noted {
            Some(noted) if noted.seq < behind.seq => return Err(Wrong::BehindHead(noted.seq)),
            _ => self.compare(behind)?,
        }
        Ok(Stage::Entries(Verified { tenant_id, first_seq: behind.seq.next(), count: 0, head: behind }))
    }

    fn entry(&self, good: Verified, line: &[u8]) -> Result<Stage, Wrong> {
        let expected = good.head.seq.next();
        let found = Line::read(line).ok_or(Wrong::Changed(expected))?;
        if found.tenant_id != good.tenant_id {
            return Err(Wrong::Foreign(found.seq));
        }
        if found.seq > expected {
            return Ok(Stage::Gap { line: self.line, first: expected, last: found.seq.before() });
        }
        if found.seq < expected {
            return Err(Wrong::Repeated(found.seq));
        }
        if found.previous != good.head.hash {
            return Err(Wrong::Unlinked(found.seq));
        }
        let head = ChainHead { seq: found.seq, hash: found.hash };
        self.compare(head)?;
        Ok(Stage::Entries(Verified { count: good.count + 1, head, ..good }))
    }

    fn end(&self, good: Verified, line: &[u8]) -> Result<Stage, Wrong> {
        let (tenant_id, count, head) = read_footer(line).ok_or(Wrong::Footer)?;
        if head.seq > good.head.seq {
            return Ok(Stage::Gap { line: self.line, first: good.head.seq.next(), last: head.seq });
        }
        if (tenant_id, count, head) != (good.tenant_id, good.count, good.head) {
            return Err(Wrong::Footer);
        }
        Ok(Stage::End(good))
    }

    fn compare(&self, head: ChainHead) -> Result<(), Wrong> {
        match self.noted {
            Some(noted) if noted.seq == head.seq && noted.hash != head.hash => {
                Err(Wrong::Rewritten(head.seq))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, line: u64, what: Wrong) -> Fault {
        Fault { line, what }
    }
}
