//! `keystile keys import`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_client::ClientError;
use keystile_wire::{ImportKey, ImportKeys, ImportedKeys, MAX_IMPORT, Object};

use super::Context;
use crate::commands::output::{Form, Report, plain};
use crate::commands::words::one_of;
use crate::failure::Failure;

/// Most bytes of lines that are sent at once: half of what the server takes.
const BATCH_MAX: usize = 8 * 1024 * 1024;

/// Takes over keys of another system by the SHA-256 of their secrets, so that nobody needs a new one.
#[derive(Debug, Args)]
#[command(after_help = "\
Example, a file with one JSON object a line:
  {\"hash\": \"9f86d081…\", \"name\": \"web\", \"scopes\": [\"customers:read\"]}
  {\"hash\": \"60303ae2…\", \"name\": \"ci\", \"environment\": \"staging\", \"prefix\": \"sk-old-1\"}

  keystile keys import old-keys.ndjson
  export-keys | keystile keys import - --encoding base64url

Each line takes `hash`, `name`, and whatever a key can be created with but a
secret; `prefix` and `last4` help people to recognise it. Up to 10,000 lines
are imported together, all or none. Importing the same lines again does no harm.")]
pub(super) struct Import {
    /// File of the keys; `-` is standard input.
    file: PathBuf,
    /// How the hashes are written.
    #[arg(long, value_parser = one_of(["hex", "base64", "base64url"]), default_value = "hex")]
    encoding: String,
}

/// Keys that are imported together, and the lines they stand on.
struct Batch {
    keys: Vec<Object<ImportKey>>,
    lines: Vec<usize>,
}

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let batches = batches(&read(&self.file)?)?;
        let tenant = context.session.tenant().await?;
        let mut total = ImportedKeys { created: 0, existing: 0, keys: Vec::new() };
        for Batch { keys, lines } in batches {
            let request =
                ImportKeys { algorithm: "sha256".to_owned(), encoding: self.encoding.clone(), keys };
            let imported = context.session.client.import_keys(tenant, &request).await;
            let imported = imported.map_err(|error| refused(error, &lines, &total))?;
            total.created += imported.created;
            total.existing += imported.existing;
            total.keys.extend(imported.keys);
        }
        match context.form {
            Form::Json => Report::json(&total),
            Form::Text => Ok(Report::default()
                .data(&format!("{} imported, {} there before", total.created, total.existing))),
        }
    }
}

/// The keys of a file, as one request takes them.
pub(crate) fn read_imports(path: &Path) -> Result<Vec<Object<ImportKey>>, Failure> {
    let mut batches = batches(&read(path)?)?;
    match (batches.pop(), batches.is_empty()) {
        (Some(batch), true) => Ok(batch.keys),
        _ => Err(Failure::new("these are more keys than one job takes: at most 10,000, and 8 MiB")),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable =
        |error| Failure::because(format!("the keys cannot be read from {}", path.display()), &error);
    if path == Path::new("-") {
        let mut text = String::new();
        return io::stdin().lock().read_to_string(&mut text).map(|_| text).map_err(unreadable);
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn batches(text: &str) -> Result<Vec<Batch>, Failure> {
    let (mut batches, mut bytes) = (Vec::<Batch>::new(), 0);
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        // What the parser says may quote the line, which may hold a secret in the wrong place.
        let broken = |error: serde_json::Error| {
            let column = error.column();
            Failure::new(format!(
                "line {number}, column {column}: is no JSON object of a key, or has a field that no key has"
            ))
        };
        let key = serde_json::from_str(line).map_err(broken)?;
        bytes += line.len();
        let is_full = |batch: &&mut Batch| batch.keys.len() < MAX_IMPORT && bytes <= BATCH_MAX;
        match batches.last_mut().filter(is_full) {
            Some(batch) => {
                batch.keys.push(key);
                batch.lines.push(number);
            }
            None => {
                bytes = line.len();
                batches.push(Batch { keys: vec![key], lines: vec![number] });
            }
        }
    }
    if batches.is_empty() { Err(Failure::new("there is no key to import")) } else { Ok(batches) }
}

/// `keys[3].hash` is the hash on the fourth line of the batch.
fn refused(error: ClientError, lines: &[usize], done: &ImportedKeys) -> Failure {
    let before = match done.keys.len() {
        0 => "nothing was imported".to_owned(),
        keys => format!("the first {keys} keys were imported, the rest was not"),
    };
    let ClientError::Problem(problem) = &error else { return error.into() };
    let rules = problem.errors.iter().map(|broken| {
        let within = broken.field.strip_prefix("keys[").and_then(|rest| rest.split_once(']'));
        let place = within.and_then(|(index, field)| Some((lines.get(index.parse::<usize>().ok()?)?, field)));
        let told = match place {
            Some((line, field)) => {
                format!("line {line}, {}: {}", field.trim_start_matches('.'), broken.message)
            }
            None => format!("{}: {}", broken.field, broken.message),
        };
        plain(&told).into_owned()
    });
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() {
        return error.into();
    }
    let (code, status, request) = (&problem.code, problem.status, &problem.request_id);
    Failure::new(format!("{before}:\n  {}\n  ({code}, HTTP {status}, request {request})", rules.join("\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_batches_of_at_most_ten_thousand() {
        let line = |n: usize| format!("{{\"hash\": \"{n}\", \"name\": \"k\"}}\n\n");
        let batches = batches(&(0..10_001).map(line).collect::<String>()).unwrap();
        let sizes: Vec<_> = batches.iter().map(|batch| batch.keys.len()).collect();
        assert_eq!(sizes, [10_000, 1]);
        assert_eq!(batches[1].lines, [20_001]);
        let long = format!("{{\"hash\": \"{}\", \"name\": \"k\"}}\n", "0".repeat(BATCH_MAX / 2));
        assert_eq!(super::batches(&long.repeat(3)).unwrap().len(), 3);
    }

    #[test]
    fn a_broken_line_is_named_and_not_quoted() {
        for text in
            ["{\"hash\": \"a\", \"name\": \"b\"}\n{\"secret\": \"sesame\"}", "\n[\"sesame\"]", "\nsesame"]
        {
            let refused = batches(text).err().map(|failure| format!("{failure:?}")).unwrap();
            assert!(refused.contains("line 2") && !refused.contains("sesame"), "{refused}");
        }
        assert!(batches("\n").is_err());
    }
}
