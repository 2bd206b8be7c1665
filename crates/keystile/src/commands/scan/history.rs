//! Everything that a Git repository has kept, read by git itself: it knows every form in which objects are stored.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::excluded::Pattern;
use super::findings::{FindingIndex, Findings, Place, Reader};
use crate::commands::output::{plain, tell};
use crate::failure::Failure;

/// Would lead git to another repository than that which is searched.
const ELSEWHERE: [&str; 4] = ["GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];
/// Nothing is fetched, replaced or locked.
const QUIET: [&str; 2] = ["GIT_NO_LAZY_FETCH", "GIT_NO_REPLACE_OBJECTS"];
/// Longest line in which git tells of an object: two names and a number.
const LONGEST_HEAD: u64 = 256;

/// Where the objects of a repository are, if this folder is one.
pub(super) fn objects(root: &Path) -> Option<PathBuf> {
    if root.join(".git").exists() {
        return Some(root.join(".git/objects"));
    }
    let is_bare = root.join("HEAD").is_file() && root.join("refs").is_dir();
    Some(root.join("objects")).filter(|objects| is_bare && objects.is_dir())
}

/// A key in an object.
struct Hit {
    key: FindingIndex,
    line: u64,
    object: String,
    /// Whether the object is a file, and has no name of its own.
    is_file: bool,
}

/// Where a file of the history was.
#[derive(Default)]
struct Origin {
    /// Its path, and the oldest commit that has it there.
    place: Option<(String, String)>,
    /// Whether it was somewhere that is left out.
    is_excluded: bool,
}

/// Searches all objects, each once: files, and the messages of commits and tags; those that no commit leads to, too, as
/// whoever has the repository has them. What was found before something failed is among the findings.
pub(super) fn search(root: &Path, excluded: &[Pattern], findings: &mut Findings) -> Result<(), Failure> {
    let mut hits = Vec::new();
    let read = read_objects(root, findings, &mut hits);
    let files = hits.iter().filter(|hit| hit.is_file).map(|hit| (hit.object.clone(), Origin::default()));
    let mut origins: HashMap<_, _> = files.collect();
    let known = if origins.is_empty() { Ok(()) } else { find_origins(root, excluded, &mut origins) };
    for Hit { key, line, object, is_file } in hits {
        let (path, commit) = match origins.get(&object) {
            Some(Origin { place: Some((path, commit)), .. }) => (Some(path.clone()), Some(commit.clone())),
            Some(Origin { place: None, is_excluded: true }) => continue,
            Some(Origin { place: None, is_excluded: false }) => (None, None),
            None => (None, (!is_file).then(|| object.clone())),
        };
        findings.place(key, Place { path, line, commit, object: Some(object) });
    }
    read.and(known)
}

/// Reads all objects as git writes them one behind the other: a line with name, type and length, then the content.
fn read_objects(root: &Path, findings: &mut Findings, hits: &mut Vec<Hit>) -> Result<(), Failure> {
    let arguments = ["cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered"];
    let (mut child, mut out) = Git(root).start(&arguments, Stdio::null())?;
    let (mut reader, mut head) = (Reader::new(), Vec::new());
    let mut read = || -> io::Result<bool> {
        head.clear();
        if out.by_ref().take(LONGEST_HEAD).read_until(b'\n', &mut head)? == 0 {
            return Ok(false);
        }
        let (object, head) = parse_head(&head).ok_or(ErrorKind::InvalidData)?;
        let Head::Content(kind, length) = head else {
            findings.unread += 1;
            tell(&format!("warning: the object {object} cannot be read\n"));
            return Ok(true);
        };
        let mut content = out.by_ref().take(length);
        if kind == "tree" {
            io::copy(&mut content, &mut io::sink())?;
        } else {
            let is_file = kind == "blob";
            reader.keys(&mut content, |found| {
                let key = findings.note(found);
                hits.push(Hit { key, line: found.line, object: object.clone(), is_file });
            })?;
        }
        // A line break stands behind the content.
        out.read_exact(&mut [0])?;
        Ok(true)
    };
    let outcome = loop {
        match read() {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    // A git that is not listened to any more must not wait for that.
    drop(out);
    // What it says itself explains more than that its answer broke off.
    Git(root).end(&mut child)?;
    outcome.map_err(|error| Git(root).failed(Some(&error)))
}

/// What git tells of an object before its content.
enum Head<'h> {
    /// Its kind and length.
    Content(&'h str, u64),
    /// It is damaged, or not there.
    Missing,
}

fn parse_head(head: &[u8]) -> Option<(String, Head<'_>)> {
    let mut words = std::str::from_utf8(head).ok()?.split_ascii_whitespace();
    let (object, kind) = (words.next()?.to_owned(), words.next()?);
    match words.next() {
        None => (kind == "missing").then_some((object, Head::Missing)),
        Some(length) => Some((object, Head::Content(kind, length.parse().ok()?))),
    }
}

/// Goes through what each commit has brought, the newest first, so that of all places the oldest stays.
fn find_origins(
    root: &Path,
    excluded: &[Pattern],
    origins: &mut HashMap<String, Origin>,
) -> Result<(), Failure> {
    let git = Git(root);
    let (mut commits, listed) =
        git.start(&["rev-list", "--all", "--reflog", "--topo-order"], Stdio::null())?;
    // What is buffered would be lost to the other program: nothing has been read yet.
    let listed = Stdio::from(listed.into_inner());
    let arguments =
        ["diff-tree", "--stdin", "--root", "-r", "-m", "-z", "--raw", "--no-renames", "--no-abbrev"];
    let (mut differences, mut out) = git.start(&arguments, listed)?;
    let outcome = read_origins(&mut out, excluded, origins);
    drop(out);
    git.end(&mut commits)?;
    git.end(&mut differences)?;
    outcome.map_err(|error| git.failed(Some(&error)))
}

/// Between the names of commits: `:modes, object before, object, kind of change`, and the path.
fn read_origins(
    out: &mut impl BufRead,
    excluded: &[Pattern],
    origins: &mut HashMap<String, Origin>,
) -> io::Result<()> {
    let mut commit = String::new();
    while let Some(text) = next_text(out)? {
        let Some(change) = text.strip_prefix(':') else {
            commit = text;
            continue;
        };
        let path = next_text(out)?.ok_or(ErrorKind::UnexpectedEof)?;
        let Some(origin) = change.split(' ').nth(3).and_then(|object| origins.get_mut(object)) else {
            continue;
        };
        if excluded.iter().any(|pattern| pattern.covers(&path)) {
            origin.is_excluded = true;
        } else {
            origin.place = Some((path, commit.clone()));
        }
    }
    Ok(())
}

fn next_text(out: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut text = Vec::new();
    if out.read_until(0, &mut text)? == 0 {
        return Ok(None);
    }
    text.pop_if(|last| *last == 0);
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

/// The git of this machine, at work in a repository.
#[derive(Clone, Copy)]
struct Git<'a>(&'a Path);

impl Git<'_> {
    /// Starts it. What it has to complain about goes to whoever typed the command.
    fn start(self, arguments: &[&str], input: Stdio) -> Result<(Child, BufReader<ChildStdout>), Failure> {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.0).args(arguments).stdin(input).stdout(Stdio::piped());
        for name in ELSEWHERE {
            command.env_remove(name);
        }
        command.envs(QUIET.map(|name| (name, "1")));
        // Also where git is too old to know the first of these: no way to fetch is called so.
        command.env("GIT_ALLOW_PROTOCOL", "none");
        // A folder that is no repository after all must not stand for one that it is in.
        let root = fs::canonicalize(self.0).map_err(|error| self.failed(Some(&error)))?;
        if let Some(above) = root.parent() {
            command.env("GIT_CEILING_DIRECTORIES", above);
        }
        let mut child = command.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.missing(),
            _ => self.failed(Some(&error)),
        })?;
        let out = child.stdout.take().ok_or_else(|| self.failed(None))?;
        Ok((child, BufReader::new(out)))
    }

    fn end(self, child: &mut Child) -> Result<(), Failure> {
        let status = child.wait().map_err(|error| self.failed(Some(&error)))?;
        if status.success() { Ok(()) } else { Err(self.failed(None)) }
    }

    fn missing(self) -> Failure {
        Failure::new(format!(
            "the history of {} is read by git, which is not installed here: install it, or search the files alone with --no-history",
            plain(&self.0.to_string_lossy())
        ))
    }

    fn failed(self, cause: Option<&io::Error>) -> Failure {
        let message = format!(
            "git could not read the history of {}; --no-history searches the files alone",
            plain(&self.0.to_string_lossy())
        );
        match cause {
            Some(cause) => Failure::because(message, cause),
            None => Failure::new(message),
        }
    }
}
