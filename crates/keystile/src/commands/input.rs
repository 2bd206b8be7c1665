//! What commands read from standard input and from files: secrets and confirmations.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::Arc;

use keystile_core::Secret;

use super::output::{plain, tell};
use crate::failure::Failure;

/// Longest line that is read: more than the longest key of 512 characters.
const LINE_MAX: u64 = 4096;

/// A secret on the command line. It is shared, as the parser wants copies, and does not print.
pub(crate) type Given = Arc<Secret>;

/// Takes a secret from the command line.
pub(crate) fn given(text: &str) -> Result<Given, std::convert::Infallible> {
    Ok(Arc::new(Secret::new(text)))
}

/// The secret given, or the first line of standard input.
pub(crate) fn secret_or_line(given: Option<&Given>, what: &str) -> Result<Secret, Failure> {
    match given {
        Some(secret) => Ok(Secret::new(secret.expose())),
        None => secret_line(what),
    }
}

/// The first line of standard input.
pub(crate) fn secret_line(what: &str) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        tell(&format!("Paste {what} and press Enter; it will be visible: "));
    }
    first_line(&mut stdin.lock(), "standard input", what).map(Secret::new)
}

/// The first line of the file at `path`; `-` is standard input.
pub(crate) fn secret_in_file(path: &Path, what: &str) -> Result<Secret, Failure> {
    if path == Path::new("-") {
        return secret_line(what);
    }
    let from = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(what, &from, &error))?;
    first_line(&mut BufReader::new(file), &from, what).map(Secret::new)
}

/// Reads `what` from a place that messages call `from`. No message quotes it.
fn first_line(input: &mut dyn BufRead, from: &str, what: &str) -> Result<String, Failure> {
    let mut line = String::new();
    input.take(LINE_MAX + 1).read_line(&mut line).map_err(|error| unreadable(what, from, &error))?;
    let text = line.trim();
    if text.is_empty() {
        return Err(Failure::new(format!(
            "there is nothing to read in {from}; {what} is read from its first line"
        )));
    }
    if line.len() as u64 > LINE_MAX {
        return Err(Failure::new(format!("the first line of {from} is too long to be {what}")));
    }
    Ok(text.to_owned())
}

fn unreadable(what: &str, from: &str, error: &io::Error) -> Failure {
    Failure::because(format!("{what} cannot be read from {from}"), error)
}

/// Whether the person has said beforehand to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// `--yes`.
    Given,
    /// Ask.
    ToAsk,
}

impl Consent {
    pub(crate) fn of(yes: bool) -> Self {
        if yes { Self::Given } else { Self::ToAsk }
    }
}

/// Has the person type `name` to go on with something final. `action` is a verb: `revoke`.
pub(crate) fn confirm(action: &str, name: &str) -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(format!(
            "to {action} a key is final, and there is no terminal to ask at; add --yes if you are sure"
        )));
    }
    tell(&format!("To {action} a key is final. Type its name, {}, to go on: ", plain(name)));
    typed(&mut stdin.lock(), action, name)
}

/// Has the person type how many keys it is about, to go on with something that concerns many. `action` is a verb: `revoke`.
pub(crate) fn confirm_many(action: &str, count: u64) -> Result<(), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::new(format!(
            "this is to {action} {count} keys, and there is no terminal to ask at; add --yes if you are sure"
        )));
    }
    tell(&format!("This is to {action} {count} keys. Type {count} to go on: "));
    let mut line = String::new();
    let unreadable = |error| Failure::because("your answer cannot be read", &error);
    stdin.lock().take(LINE_MAX).read_line(&mut line).map_err(unreadable)?;
    if line.trim() == count.to_string() {
        return Ok(());
    }
    Err(Failure::new(format!("that is not {count}; nothing was done")))
}

fn typed(input: &mut dyn BufRead, action: &str, name: &str) -> Result<(), Failure> {
    let mut line = String::new();
    let unreadable = |error| Failure::because("your answer cannot be read", &error);
    input.take(LINE_MAX).read_line(&mut line).map_err(unreadable)?;
    if line.trim() == name.trim() {
        return Ok(());
    }
    Err(Failure::new(format!("that is not its name; nothing was done. Run it again to {action} the key")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_without_its_end() {
        let read = |text: &str| first_line(&mut text.as_bytes(), "standard input", "the key");
        assert_eq!(read("sk_x\r\nrest").unwrap(), "sk_x");
        assert_eq!(read("sk_x").unwrap(), "sk_x");
        assert!(read("\n").is_err());
        let long = format!("sk_{}", "x".repeat(5000));
        let refused = format!("{:?}", read(&long).unwrap_err());
        assert!(refused.contains("too long") && !refused.contains("xxx"), "{refused}");
    }

    #[test]
    fn only_the_name_itself_confirms() {
        let answer = |text: &str| typed(&mut text.as_bytes(), "revoke", "web");
        assert!(answer("web\n").is_ok());
        for no in ["", "\n", "y\n", "Web\n", "webb\n"] {
            assert!(answer(no).is_err(), "{no:?}");
        }
    }

    #[test]
    fn a_secret_on_the_command_line_does_not_print() {
        assert!(!format!("{:?}", given("open-sesame")).contains("sesame"));
    }
}
