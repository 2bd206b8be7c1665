//! What commands print, in one place: data on standard output, everything else on standard error.

use std::borrow::Cow;
use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::failure::Failure;

/// The answer is no: a key was refused, or a text is no key.
const REFUSED: u8 = 1;

/// For whom a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people: aligned text.
    Text,
    /// For programs: JSON.
    Json,
}

impl Form {
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// All that a command has to say, before any of it is printed.
#[derive(Debug, Default)]
pub(crate) struct Report {
    data: String,
    notes: String,
    if_lost: Option<String>,
    status: u8,
}

impl Report {
    /// A report whose data is one JSON document.
    pub(crate) fn json(document: &impl Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|_| Failure::new("the answer cannot be written as JSON"))?;
        Ok(Self::default().data(&text))
    }

    /// What was done: `document` for programs, `said` for people.
    pub(crate) fn done(form: Form, document: &impl Serialize, said: &str) -> Result<Self, Failure> {
        match form {
            Form::Json => Self::json(document),
            Form::Text => Ok(Self::default().note(said)),
        }
    }

    /// Adds data; it is closed with a line break.
    pub(crate) fn data(mut self, text: &str) -> Self {
        push_line(&mut self.data, text);
        self
    }

    /// Adds a line for people, beside the data.
    pub(crate) fn note(mut self, text: impl AsRef<str>) -> Self {
        push_line(&mut self.notes, text.as_ref());
        self
    }

    /// The data exists nowhere else: if it cannot be printed, the command fails with this message.
    pub(crate) fn if_lost(mut self, message: String) -> Self {
        self.if_lost = Some(message);
        self
    }

    /// The answer is no; the exit status will tell.
    pub(crate) fn refused(self) -> Self {
        self.ending(REFUSED)
    }

    /// The exit status tells more than yes or no.
    pub(crate) fn ending(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// Prints to the terminal or wherever the shell has sent it.
    pub(crate) fn print(self) -> Result<ExitCode, Failure> {
        self.write(&mut io::stdout().lock(), &mut io::stderr().lock())
    }

    /// A reader that has seen enough (`| head`) is no failure, unless it missed what cannot be read again.
    fn write(self, out: &mut dyn Write, notes: &mut dyn Write) -> Result<ExitCode, Failure> {
        let written = out.write_all(self.data.as_bytes()).and_then(|()| out.flush());
        match (written, self.if_lost) {
            (Err(error), Some(message)) => return Err(Failure::because(message, &error)),
            (Err(error), None) if error.kind() != io::ErrorKind::BrokenPipe => {
                return Err(Failure::because("standard output cannot be written", &error));
            }
            _ => {}
        }
        // There is nobody left to tell when standard error is closed.
        let _ = notes.write_all(self.notes.as_bytes()).and_then(|()| notes.flush());
        Ok(ExitCode::from(self.status))
    }
}

#[cfg(test)]
impl Report {
    /// What would stand on standard output and on standard error.
    pub(crate) fn printed(self) -> (String, String) {
        (self.data, self.notes)
    }

    pub(crate) fn exit_status(&self) -> u8 {
        self.status
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.status == REFUSED
    }
}

/// Tells the person something at once, before the command goes on.
pub(crate) fn tell(text: &str) {
    let mut notes = io::stderr().lock();
    let _ = notes.write_all(text.as_bytes()).and_then(|()| notes.flush());
}

/// Text from elsewhere, without the characters that steer a terminal or turn its writing around.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(steers) { Cow::Owned(text.replace(steers, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn push_line(to: &mut String, text: &str) {
    to.push_str(text);
    if !text.is_empty() && !text.ends_with('\n') {
        to.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pipe whose reader has gone.
    struct Closed(io::ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn data_and_notes_go_to_different_places() {
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        let report = Report::default().data("one\ntwo\n").note("beside");
        report.write(&mut out, &mut notes).unwrap();
        assert_eq!((out.as_slice(), notes.as_slice()), (&b"one\ntwo\n"[..], &b"beside\n"[..]));
    }

    #[test]
    fn a_reader_that_has_seen_enough_is_no_failure() {
        let mut closed = Closed(io::ErrorKind::BrokenPipe);
        assert!(Report::default().data("row").write(&mut closed, &mut Vec::new()).is_ok());
        let mut full = Closed(io::ErrorKind::StorageFull);
        assert!(Report::default().data("row").write(&mut full, &mut Vec::new()).is_err());
    }

    #[test]
    fn what_cannot_be_read_again_must_arrive() {
        let mut closed = Closed(io::ErrorKind::BrokenPipe);
        let secret = Report::default().data("sk_x").if_lost("the secret is lost".into());
        let failure = secret.write(&mut closed, &mut Vec::new()).unwrap_err();
        let told = format!("{failure:?}");
        assert!(told.contains("the secret is lost") && !told.contains("sk_x"), "{told}");
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(plain("Grüße"), "Grüße");
    }
}
