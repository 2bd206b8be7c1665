//! `keystile events send`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use keystile_core::{EntityName, Timestamp};
use keystile_wire::{EntityNameBody, IngestAnswer, MAX_EVENTS, Object, SendEvent, SendEvents};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::commands::context::Context;
use crate::commands::output::{Form, Report, plain};
use crate::commands::words::object;
use crate::failure::Failure;

/// Most bytes of lines that are sent at once, unless one line alone is longer: half of what the server takes.
const BATCH_MAX: usize = 512 * 1024;

/// Sends events in the name of the source of an API key, which stands in KEYSTILE_TOKEN.
#[derive(Debug, Args)]
#[command(after_help = "\
Example of a file, a JSON object a line:
  {\"type\": \"order.paid\", \"entity\": {\"type\": \"order\", \"id\": \"4711\"}, \"data\": {\"total\": 42}, \"id\": \"a-1\"}

Exit status: 0 all are kept; 1 some were rejected, which the output names with their lines; 2 it could not be done.")]
pub(super) struct Send {
    /// File of events, a JSON object a line; `-` is standard input.
    #[arg(required_unless_present = "event_type", conflicts_with_all = ["event_type", "entity", "data", "id", "occurred_at"])]
    file: Option<PathBuf>,
    /// What happened.
    #[arg(long = "type", value_name = "TYPE", requires = "entity")]
    event_type: Option<String>,
    /// What it happened to.
    #[arg(long, value_name = "TYPE/ID", value_parser = EntityName::parse, requires = "event_type")]
    entity: Option<EntityName>,
    /// What is said of the entity: a JSON object.
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    data: Option<Map<String, Value>>,
    /// Your own id of the event, by which it is kept once.
    #[arg(long)]
    id: Option<String>,
    /// When it happened; by default now.
    #[arg(long, value_name = "TIME")]
    occurred_at: Option<Timestamp>,
}

/// Lines that are sent together, and their numbers in the file.
struct Batch {
    text: String,
    numbers: Vec<usize>,
}

impl Send {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Some(file) = &self.file else { return self.send_one(context).await };
        let mut total = IngestAnswer { accepted: 0, rejected: Vec::new() };
        for Batch { text, numbers } in batches(&read(file)?)? {
            let answer = context.session.client.send_event_lines(text).await;
            let answer = answer.inspect_err(|_| warn_of_rest(&total))?;
            total.accepted += answer.accepted;
            total.rejected.extend(answer.rejected.into_iter().map(|mut rejected| {
                let number = usize::try_from(rejected.index).ok().and_then(|place| numbers.get(place));
                rejected.index = number.map_or(rejected.index, |number| *number as u64);
                rejected
            }));
        }
        report(&total, context.form())
    }

    async fn send_one(self, context: &Context) -> Result<Report, Failure> {
        let (Some(event_type), Some(entity)) = (self.event_type, self.entity) else {
            return Err(Failure::new("name a file, or --type and --entity"));
        };
        let raw = |data: &Map<String, Value>| serde_json::value::to_raw_value(data);
        let data: Option<Box<RawValue>> = self.data.as_ref().map(raw).transpose().unwrap_or_default();
        let event = SendEvent {
            event_type,
            entity: Object(EntityNameBody::from(entity)),
            data,
            id: self.id,
            occurred_at: self.occurred_at.map(|moment| moment.to_string()),
            tenant_id: None,
            source_id: None,
            trust_level: None,
            environment: None,
            application_id: None,
            key_id: None,
        };
        let answer = context.session.client.send_events(&SendEvents::One(Box::new(event))).await?;
        report(&answer, context.form())
    }
}

fn warn_of_rest(done: &IngestAnswer) {
    if done.accepted > 0 {
        crate::commands::output::tell(&format!(
            "the first {} events are kept, the rest is not\n",
            done.accepted
        ));
    }
}

fn report(answer: &IngestAnswer, form: Form) -> Result<Report, Failure> {
    let report = match form {
        Form::Json => Report::json(answer)?,
        Form::Text => {
            let told =
                answer.rejected.iter().map(|one| format!("line {}: {}\n", one.index, plain(&one.reason)));
            Report::default().data(&told.collect::<String>()).note(format!("{} accepted", answer.accepted))
        }
    };
    Ok(if answer.rejected.is_empty() { report } else { report.refused() })
}

fn read(path: &Path) -> Result<String, Failure> {
    let unreadable =
        |error| Failure::because(format!("the events cannot be read from {}", path.display()), &error);
    if path == Path::new("-") {
        let mut text = String::new();
        return io::stdin().lock().read_to_string(&mut text).map(|_| text).map_err(unreadable);
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn batches(text: &str) -> Result<Vec<Batch>, Failure> {
    let mut batches = Vec::<Batch>::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let has_room = |batch: &&mut Batch| {
            batch.numbers.len() < MAX_EVENTS && batch.text.len() + line.len() < BATCH_MAX
        };
        match batches.last_mut().filter(has_room) {
            Some(batch) => {
                batch.text.push_str(line);
                batch.text.push('\n');
                batch.numbers.push(number);
            }
            None => batches.push(Batch { text: format!("{line}\n"), numbers: vec![number] }),
        }
    }
    if batches.is_empty() { Err(Failure::new("there is no event to send")) } else { Ok(batches) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_batches_that_the_server_takes() {
        let batches = batches(&"{}\n\n".repeat(1_001)).unwrap();
        let sizes: Vec<_> = batches.iter().map(|batch| batch.numbers.len()).collect();
        assert_eq!((sizes, batches[1].numbers[0]), (vec![1_000, 1], 2_001));
        let long = format!("{}\n", "x".repeat(BATCH_MAX / 2));
        assert_eq!(super::batches(&long.repeat(3)).unwrap().len(), 3);
        assert!(super::batches("\n\n").is_err());
    }
}
