//! Words that may not be committed: unfinished work, and what is true of one machine only.

use anyhow::Result;

use super::tree::{File, Tree};
use super::{Finding, is_excused};

/// Forbidden in Rust.
const IN_RUST: &[(&str, &str)] = &[
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
    ("#[ignore", "repair the test or remove it: a test that does not run proves nothing"),
];

/// Forbidden in every file.
const ANYWHERE: &[(&str, &str)] = &[
    ("/work/", MACHINE),
    ("/root/", MACHINE),
    ("/tmp/target", MACHINE),
    ("index.crates.io", REGISTRY),
    ("static.crates.io", REGISTRY),
    ("files.pythonhosted.org", REGISTRY),
    ("registry.npmjs.org", REGISTRY),
    ("deb.debian.org", REGISTRY),
];
const MACHINE: &str = "a path of one machine: use a relative one";
const REGISTRY: &str = "a registry's host: the clients know where their registries are";

/// Marks of unfinished work, which must name who finishes it: `TODO(ada): …`.
const MARKS: &[&str] = &["TODO", "FIXME"];

/// This file has to name what it forbids.
const SELF: &str = "crates/xtask/src/tidy/words.rs";

/// Judges every line that we wrote ourselves.
pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let written = |file: &&File| file.path != SELF && !file.is_vendored() && !is_lock(&file.path);
    Ok(tree.files.iter().filter(written).flat_map(check_file).collect())
}

fn is_lock(path: &str) -> bool {
    path.ends_with(".lock") || path.ends_with("package-lock.json")
}

fn check_file(file: &File) -> Vec<Finding> {
    let in_rust = if file.is_rust() { IN_RUST } else { &[] };
    let forbidden = || in_rust.iter().chain(ANYWHERE);
    let mut findings = Vec::new();
    for (number, line) in file.lines().filter(|(_, line)| !is_excused(line)) {
        for (word, advice) in forbidden().filter(|(word, _)| line.contains(word)) {
            findings.push(Finding::at(&file.path, number, format!("`{word}`: {advice}")));
        }
        if MARKS.iter().any(|mark| lacks_owner(line, mark)) {
            findings.push(Finding::at(&file.path, number, "name who finishes this: `TODO(ada): …`"));
        }
    }
    findings
}

/// Whether `mark` stands in the line as a word of its own without a name in parentheses behind it.
fn lacks_owner(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + mark.len()..]);
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        !before.ends_with(is_word) && !after.starts_with(is_word) && !after.starts_with('(')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(&[(path, text)], &json!([]));
        check(&tree).unwrap().into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn each_forbidden_word_is_found_in_its_line() {
        for (word, _) in IN_RUST.iter().chain(ANYWHERE) {
            assert_eq!(places("a.rs", &format!("fine\nnot {word}x\n")), ["a.rs:2"], "{word}");
        }
        assert!(places("a.md", "say todo!() in a text").is_empty());
    }

    #[test]
    fn a_mark_needs_an_owner() {
        assert_eq!(places("a.sh", "# TODO later\n# TODO: later\n# FIXME\n").len(), 3);
        assert!(places("a.sh", "# TODO(ada): later\nTODOS\nMYTODO\n").is_empty());
    }

    #[test]
    fn an_excuse_covers_its_line_only() {
        assert_eq!(places("a.sh", "/work/ # tidy: allowed, because …\n/work/\n"), ["a.sh:2"]);
    }
}
