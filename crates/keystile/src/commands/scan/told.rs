//! What is told of the keys that were found.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use keystile_core::{Environment, KeyId, LeakState};
use keystile_wire::SecretView;
use serde::Serialize;

use super::findings::{Finding, Place};
use super::known;
use crate::commands::output::{Form, Report, plain};
use crate::failure::Failure;

/// There are live keys.
const LIVE: u8 = 1;
/// Something may have been missed.
const UNREAD: u8 = 2;
/// There are keys, none of which is known to be live.
const FOUND: u8 = 3;
/// What is known of a key without a server.
const WELL_FORMED: &str = "well_formed";
/// Wide enough for every state.
const STATE_WIDTH: usize = WELL_FORMED.len() + 2;
/// How much of a name in the history is shown to people, as git does.
const SHORT: usize = 12;

/// What is not known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Missed {
    /// Places that could not be read.
    pub(super) unread: u64,
    /// Failures of which the person is told apart: of the history as a whole, or of the server.
    pub(super) failures: usize,
}

/// A line for programs.
#[derive(Serialize)]
struct Line<'a> {
    state: &'static str,
    key_id: Option<KeyId>,
    start: &'a str,
    label: &'a str,
    environment: Environment,
    #[serde(flatten)]
    first: Option<&'a Place>,
    places: &'a [Place],
    places_total: u64,
}

/// Tells of the keys, with what the server answered about them, if it was asked.
pub(super) fn report(
    keys: &[Finding],
    answers: Option<&HashMap<String, SecretView>>,
    missed: Missed,
    form: Form,
) -> Result<Report, Failure> {
    let (mut report, mut states) = (Report::default(), BTreeMap::<_, u64>::new());
    for key in keys {
        let known = known(key, answers);
        let state = known.map_or(WELL_FORMED, |known| known.state.as_str());
        *states.entry(state).or_default() += 1;
        let key_id = known.and_then(|known| known.key_id);
        report = report.data(&match form {
            Form::Json => line(key, state, key_id)?,
            Form::Text => block(key, state, key_id),
        });
    }
    let is_live = states.contains_key(LeakState::Live.as_str());
    let is_whole = missed.unread == 0 && missed.failures == 0;
    let status = match (is_live, is_whole, keys) {
        (true, ..) => LIVE,
        (false, false, _) => UNREAD,
        (false, true, []) => 0,
        (false, true, _) => FOUND,
    };
    Ok(report.note(summary(keys.len(), &states)).note(unread(missed.unread)).ending(status))
}

fn line(key: &Finding, state: &'static str, key_id: Option<KeyId>) -> Result<String, Failure> {
    let Finding { start, label, environment, places, total, .. } = key;
    let (environment, places_total) = (*environment, *total);
    let line = Line { state, key_id, start, label, environment, first: places.first(), places, places_total };
    serde_json::to_string(&line).map_err(|_| Failure::new("a key cannot be written as JSON"))
}

fn block(key: &Finding, state: &str, key_id: Option<KeyId>) -> String {
    let (state, id) = (state.replace('_', "-"), key_id.map(|id| id.to_string()).unwrap_or_default());
    let mut text = format!("{state:<STATE_WIDTH$}{}…  {id}", key.start).trim_end().to_owned();
    text.push('\n');
    let mut push = |place: &str| {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "  {}", plain(place));
    };
    key.places.iter().for_each(|place| push(&told(place)));
    let further = key.total.saturating_sub(key.places.len() as u64);
    if further > 0 {
        push(&format!("and {further} more"));
    }
    text
}

fn told(Place { path, line, commit, object }: &Place) -> String {
    let short = |name: &String| name.chars().take(SHORT).collect::<String>();
    let (commit, object) = (commit.as_ref().map(short), object.as_ref().map(short).unwrap_or_default());
    match (path, commit) {
        (Some(path), None) => format!("{path}:{line}"),
        (Some(path), Some(commit)) => format!("{path}:{line} in commit {commit}"),
        (None, Some(commit)) => format!("line {line} of the message of {commit}"),
        (None, None) => format!("line {line} of object {object}, which no commit has any more"),
    }
}

fn summary(count: usize, states: &BTreeMap<&str, u64>) -> String {
    let parts: Vec<_> =
        states.iter().map(|(state, count)| format!("{count} {}", state.replace('_', "-"))).collect();
    match count {
        0 => "No key was found.".to_owned(),
        1 => format!("1 key: {}.", parts.join(", ")),
        _ => format!("{count} keys: {}.", parts.join(", ")),
    }
}

fn unread(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "1 place could not be read; whether it has keys is not known.".to_owned(),
        _ => format!("{count} places could not be read; whether they have keys is not known."),
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Digest;

    use super::*;

    fn key(digest: &[u8], places: Vec<Place>) -> Finding {
        let total = places.len() as u64;
        Finding {
            digest: Digest::of(digest),
            start: "sk_acme_live_aB3d".to_owned(),
            label: "acme".to_owned(),
            environment: Environment::Production,
            places,
            total,
        }
    }

    fn place(path: Option<&str>, commit: Option<&str>) -> Place {
        let commit = commit.map(str::to_owned);
        Place { path: path.map(str::to_owned), line: 7, object: Some("1234567890abcdef".to_owned()), commit }
    }

    fn answers(states: &[(&[u8], LeakState)]) -> HashMap<String, SecretView> {
        let view = |(digest, state): &(&[u8], LeakState)| {
            let digest = Digest::of(digest).to_hex();
            let view = SecretView {
                digest: digest.clone(),
                state: *state,
                key_id: Some(KeyId::from_u128(1)),
                application_id: None,
                environment: None,
            };
            (digest, view)
        };
        states.iter().map(view).collect()
    }

    #[test]
    fn people_are_told_each_key_with_its_places() {
        let places = vec![
            Place { object: None, ..place(Some("a\nb"), None) },
            place(Some("c"), Some("abcdefabcdefabcdef")),
            place(None, Some("abcdefabcdefabcdef")),
            place(None, None),
        ];
        let keys = [Finding { total: 9, ..key(b"a", places) }];
        let answers = answers(&[(b"a", LeakState::Live)]);
        let (data, notes) =
            report(&keys, Some(&answers), Missed { unread: 1, failures: 0 }, Form::Text).unwrap().printed();
        let expected = "\
live         sk_acme_live_aB3d…  key_00000000000000000000000001
  a\u{fffd}b:7
  c:7 in commit abcdefabcdef
  line 7 of the message of abcdefabcdef
  line 7 of object 1234567890ab, which no commit has any more
  and 5 more
";
        assert_eq!(data, expected);
        assert_eq!(notes, "1 key: 1 live.\n1 place could not be read; whether it has keys is not known.\n");
    }

    #[test]
    fn programs_are_told_a_line_for_each_key() {
        let keys = [key(b"a", vec![place(Some("a"), None)]), key(b"b", vec![place(None, Some("c"))])];
        let (data, _) = report(&keys, None, Missed::default(), Form::Json).unwrap().printed();
        let lines: Vec<serde_json::Value> =
            data.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["state"], &lines[0]["path"]), (&"well_formed".into(), &"a".into()));
        assert_eq!((&lines[1]["commit"], &lines[1]["places_total"]), (&"c".into(), &1.into()));
    }

    #[test]
    fn the_exit_status_tells_what_there_is_to_do() {
        let status = |keys: &[Finding], states: Option<&[(&[u8], LeakState)]>, missed| {
            let answers = states.map(answers);
            report(keys, answers.as_ref(), missed, Form::Text).unwrap().exit_status()
        };
        let (nothing, unread) = (Missed::default(), Missed { unread: 1, failures: 0 });
        let keys = [key(b"a", vec![place(Some("a"), None)]), key(b"b", vec![place(Some("a"), None)])];
        let live: &[(&[u8], LeakState)] = &[(b"a", LeakState::Revoked), (b"b", LeakState::Live)];
        let dead: &[(&[u8], LeakState)] = &[(b"a", LeakState::Revoked), (b"b", LeakState::Unknown)];
        for (keys, states, whole, parted) in [
            (&[][..], None, 0, UNREAD),
            (&keys, Some(live), LIVE, LIVE),
            (&keys, Some(dead), FOUND, UNREAD),
            (&keys, None, FOUND, UNREAD),
        ] {
            assert_eq!([status(keys, states, nothing), status(keys, states, unread)], [whole, parted]);
            assert_eq!(status(keys, states, Missed { unread: 0, failures: 1 }), parted);
        }
    }
}
