//! `keystile audit verify`: checks an export without any server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_core::ChainHead;
use keystile_core::audit::check::{Checker, Fault, Verified};
use serde::Serialize;

use crate::commands::output::{Form, Report};
use crate::commands::table::fields;
use crate::failure::Failure;

/// Bytes read at once.
const PIECE: usize = 64 * 1024;

/// Checks that an export says what the log said: nothing changed, removed, added or moved.
///
/// Works offline. The chain shows what was changed in the export, or in the database by somebody who did not make the
/// chain anew. Whoever can write to the database can do that, too: only a head that was noted elsewhere tells then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile audit verify audit.ndjson
  keystile audit verify audit.ndjson --head 17:9f86d081…
  keystile audit export | keystile audit verify -

Exit status: 0 good, 1 something is wrong and the first line of it is told,
2 the file could not be read.")]
pub(super) struct Verify {
    /// The export; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// A head that `keystile audit proof` printed earlier.
    #[arg(long, value_name = "SEQ:HASH")]
    head: Option<ChainHead>,
}

impl Verify {
    pub(super) fn run(self, form: Form) -> Result<Report, Failure> {
        let unreadable =
            |error: io::Error| Failure::because(format!("{} cannot be read", self.file.display()), &error);
        let checked = if self.file == Path::new("-") {
            check(&mut io::stdin().lock(), self.head)
        } else {
            File::open(&self.file).and_then(|mut file| check(&mut file, self.head))
        };
        match checked.map_err(unreadable)? {
            Ok(good) => report_good(&good, self.head, form),
            Err(fault) => report_fault(&fault, form),
        }
    }
}

fn check(from: &mut dyn Read, noted: Option<ChainHead>) -> io::Result<Result<Verified, Fault>> {
    let mut checker = Checker::new(noted);
    let mut piece = vec![0; PIECE];
    loop {
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok(checker.finish()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if let Err(fault) = checker.feed(piece.get(..count).unwrap_or_default()) {
            return Ok(Err(fault));
        }
    }
}

#[derive(Serialize)]
struct Good {
    good: bool,
    tenant_id: keystile_core::TenantId,
    count: u64,
    first_seq: u64,
    seq: u64,
    hash: String,
    head_compared: bool,
}

#[derive(Serialize)]
struct Bad {
    good: bool,
    line: u64,
    seq: Option<u64>,
    code: &'static str,
    explanation: String,
}

fn report_good(good: &Verified, noted: Option<ChainHead>, form: Form) -> Result<Report, Failure> {
    let Verified { tenant_id, first_seq, count, head } = *good;
    if form == Form::Json {
        return Report::json(&Good {
            good: true,
            tenant_id,
            count,
            first_seq: first_seq.as_u64(),
            seq: head.seq.as_u64(),
            hash: head.hash.to_hex(),
            head_compared: noted.is_some(),
        });
    }
    let entries =
        if count == 0 { "none".to_owned() } else { format!("{count}, {first_seq} to {}", head.seq) };
    let pairs = [("tenant", tenant_id.to_string()), ("entries", entries), ("head", head.to_string())];
    Ok(Report::default().data("good").data(&fields(&pairs)).note(match noted {
        Some(noted) => format!("It agrees with the head that was noted at entry {}.", noted.seq),
        None => "No noted head was compared: whoever could rewrite the whole log can have done so. \
            Note heads elsewhere with `keystile audit proof`, and give one with --head."
            .to_owned(),
    }))
}

fn report_fault(fault: &Fault, form: Form) -> Result<Report, Failure> {
    let report = match form {
        Form::Json => Report::json(&Bad {
            good: false,
            line: fault.line,
            seq: fault.what.seq().map(keystile_core::Seq::as_u64),
            code: fault.what.code(),
            explanation: fault.what.to_string(),
        })?,
        Form::Text => Report::default().data(&fault.to_string()),
    };
    Ok(report.refused())
}
