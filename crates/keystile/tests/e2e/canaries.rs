//! Secrets that were used, and places where none of them may be.

use std::fs;
use std::path::Path;

use crate::console::encoded;

/// What is looked for.
#[derive(Default)]
pub(crate) struct Canaries {
    texts: Vec<String>,
    /// What is written as text in one place, and may be kept as bytes in another.
    bytes: Vec<Vec<u8>>,
}

impl Canaries {
    /// Adds one.
    pub(crate) fn learn(&mut self, secret: &str) -> String {
        assert!(secret.len() >= 10, "it is too short to be found by accident: {secret}");
        self.texts.push(secret.to_owned());
        secret.to_owned()
    }

    /// Adds one that is no text.
    pub(crate) fn learn_bytes(&mut self, secret: Vec<u8>) {
        self.bytes.push(secret);
    }

    pub(crate) fn all(&self) -> &[String] {
        &self.texts
    }

    /// None is in a text, as it is or in another way of writing it.
    pub(crate) fn are_not_in(&self, place: &str, content: &[u8]) {
        // They consist of ASCII, which stays as it is.
        let text = String::from_utf8_lossy(content);
        for secret in &self.texts {
            for form in forms(secret) {
                assert!(!text.contains(&form), "{secret} is in {place}");
            }
        }
    }

    /// None is in any file of a folder, but for one; and how many files there are.
    pub(crate) fn are_not_below(&self, folder: &Path, but: &Path) -> usize {
        let mut read = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read += self.are_not_below(&path, but);
            } else if path != but {
                let content = fs::read(&path).unwrap();
                self.are_not_in(&path.display().to_string(), &content);
                for secret in &self.bytes {
                    let is_here = content.windows(secret.len()).any(|window| window == secret);
                    assert!(!is_here, "a secret is in {} as bytes", path.display());
                }
                read += 1;
            }
        }
        read
    }

    /// None is in the tables of PostgreSQL, whose dump writes bytes as hexadecimal digits.
    pub(crate) fn are_not_in_tables(&self, dump: &str) {
        self.are_not_in("the database", dump.as_bytes());
        let texts = self.texts.iter().map(String::as_bytes);
        for secret in texts.chain(self.bytes.iter().map(Vec::as_slice)) {
            let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!dump.contains(&digits), "a secret is in the database as bytes: {digits}");
        }
    }
}

/// A text with some secrets taken out: what shows one must not show others.
pub(crate) fn without(text: &str, secrets: &[String]) -> String {
    let forms = secrets.iter().flat_map(|secret| forms(secret));
    forms.fold(text.to_owned(), |text, form| text.replace(&form, "…"))
}

/// The ways in which a secret is written: as it is, in a page, in a form or a URL.
fn forms(secret: &str) -> Vec<String> {
    let in_a_page = |letter: char| match letter {
        '&' | '<' | '>' | '"' | '\'' => format!("&#{};", u32::from(letter)),
        other => other.to_string(),
    };
    let mut forms = vec![secret.to_owned()];
    for other in [secret.chars().map(in_a_page).collect(), encoded(secret)] {
        if !forms.contains(&other) {
            forms.push(other);
        }
    }
    forms
}
