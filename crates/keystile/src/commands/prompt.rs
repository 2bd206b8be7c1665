//! Asking a person for what must not be seen on the screen.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Stdin};

use keystile_core::Secret;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::output::tell;
use crate::failure::Failure;

/// Longest line that is read: more than the longest password of 1,024 bytes.
const LINE_MAX: u64 = 4096;

/// Asks for a line that is shown as it is typed.
pub(super) fn line(what: &str) -> Result<String, Failure> {
    let stdin = terminal(what)?;
    tell(&format!("{what}: "));
    Ok(read_line(&mut stdin.lock(), what)?.trim().to_owned())
}

/// Asks for a line without showing it.
pub(super) fn hidden(what: &str) -> Result<Secret, Failure> {
    let stdin = terminal(what)?;
    let silent = Silent::new(&stdin)?;
    tell(&format!("{what}: "));
    let line = silent.read_line(what);
    drop(silent);
    tell("\n");
    line.map(Secret::new)
}

/// Asks for a new password, twice: nobody sees what they type.
pub(super) fn new_password() -> Result<Secret, Failure> {
    let first = hidden("New password")?;
    if hidden("Again")?.expose() == first.expose() {
        return Ok(first);
    }
    Err(Failure::new("the two differ; nothing was changed"))
}

/// The next line of standard input, wherever it comes from.
pub(super) fn from_stdin(what: &str) -> Result<Secret, Failure> {
    read_line(&mut io::stdin().lock(), what).map(Secret::new)
}

fn terminal(what: &str) -> Result<Stdin, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(stdin);
    }
    Err(Failure::new(format!("there is no terminal to ask at for: {what}. See --help for other ways")))
}

/// A line without its end. White space within is kept: it may be part of a password.
fn read_line(input: &mut dyn BufRead, what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    let read = input.take(LINE_MAX + 1).read_line(&mut line);
    read.map_err(|error| cannot_be_read(what, &error))?;
    if line.len() as u64 > LINE_MAX {
        return Err(Failure::new(format!("{what}: the line is too long")));
    }
    let text = line.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Failure::new(format!("{what}: there is nothing to read")));
    }
    Ok(text.to_owned())
}

fn cannot_be_read(what: &str, error: &io::Error) -> Failure {
    Failure::because(format!("{what} cannot be read"), error)
}

/// A terminal that does not show what is typed, until this is dropped. A signal from the keyboard would end the program
/// before that, and leave the terminal silent: Ctrl-C ends the line in its place.
struct Silent<'s> {
    stdin: &'s Stdin,
    before: Termios,
}

impl<'s> Silent<'s> {
    fn new(stdin: &'s Stdin) -> Result<Self, Failure> {
        let failed =
            |error| Failure::because("the terminal cannot be kept from showing what you type", &error);
        let before = tcgetattr(stdin).map_err(failed)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        silent.special_codes[SpecialCodeIndex::VEOL] = before.special_codes[SpecialCodeIndex::VINTR];
        tcsetattr(stdin, OptionalActions::Flush, &silent).map_err(failed)?;
        Ok(Self { stdin, before })
    }

    /// One line, unless it is broken off. The terminal hands out a line at a time.
    fn read_line(&self, what: &str) -> Result<String, Failure> {
        let mut input = self.stdin.lock();
        let line = input.fill_buf().map_err(|error| cannot_be_read(what, &error))?;
        let interrupt = self.before.special_codes[SpecialCodeIndex::VINTR];
        if line.last() == Some(&interrupt) {
            return Err(Failure::new("interrupted; nothing was done"));
        }
        read_line(&mut input, what)
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // When the terminal has gone away, there is nothing to restore.
        let _restored = tcsetattr(self.stdin, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_keeps_its_white_space_but_not_the_end_of_its_line() {
        let read = |text: &str| read_line(&mut text.as_bytes(), "Password");
        assert_eq!(read(" two words \r\nrest").unwrap(), " two words ");
        assert_eq!(read("x").unwrap(), "x");
        assert!(read("\n").is_err() && read("").is_err());
        let long = format!("{:?}", read(&"x".repeat(5000)).unwrap_err());
        assert!(long.contains("too long") && !long.contains("xxx"), "{long}");
    }
}
