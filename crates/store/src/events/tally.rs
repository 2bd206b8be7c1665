//! What became of events is counted in the transaction that keeps them: of each space over time, and of each source lately.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use keystile_core::event::{Activity, Outcome};
use keystile_core::usage::Step;
use keystile_core::{Minute, Timestamp};

use super::spaces::Numbers;
use crate::StoreError;
use crate::chunked::{Chunked, places, places_as};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::usage::Adding;
use crate::value::Value;

static ADD: LazyLock<Adding> =
    LazyLock::new(|| Adding::to("event_counts", &["space", "step", "minute", "outcome"]));

static SELECT: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "SELECT a.source, a.stream, a.last_seen_at, a.recent
             FROM (VALUES {}) AS sought CROSS JOIN source_activity AS a WHERE a.source = sought.column1",
            places_as(size, &[Some("BIGINT")])
        )
    })
});

static WRITE: LazyLock<Chunked> = LazyLock::new(|| {
    Chunked::new(|size| {
        format!(
            "INSERT INTO source_activity (source, space, stream, last_seen_at, recent) VALUES {}
             ON CONFLICT (source) DO UPDATE SET stream = excluded.stream, last_seen_at = excluded.last_seen_at,
                recent = excluded.recent",
            places(size, 5)
        )
    })
});

const SWEEP: &str = "DELETE FROM event_counts WHERE (space, step, minute, outcome) IN
    (SELECT space, step, minute, outcome FROM event_counts
        WHERE minute < $1 AND minute + step <= $1 ORDER BY minute LIMIT 1000)";

/// What is to be counted, folded so that it takes few rows.
#[derive(Default)]
pub(super) struct Tally {
    /// By space, minute and outcome.
    spaces: BTreeMap<(i64, Minute, Outcome), u64>,
    /// By the number of the source.
    sources: BTreeMap<i64, Sent>,
}

/// What one source has sent.
struct Sent {
    space: i64,
    stream: i64,
    last_at: Timestamp,
    /// How many events were accepted and refused in each minute.
    minutes: BTreeMap<Minute, (u64, u64)>,
}

impl Tally {
    /// Counts events that were received at a moment.
    pub(super) fn count(&mut self, numbers: Numbers, received_at: Timestamp, outcome: Outcome, count: u64) {
        let Numbers { space, source, stream } = numbers;
        let minute = Minute::of(received_at);
        *self.spaces.entry((space, minute, outcome)).or_default() += count;
        let unheard = || Sent { space, stream, last_at: received_at, minutes: BTreeMap::new() };
        let sent = self.sources.entry(source).or_insert_with(unheard);
        if received_at >= sent.last_at {
            (sent.stream, sent.last_at) = (stream, received_at);
        }
        let (accepted, refused) = sent.minutes.entry(minute).or_default();
        match outcome {
            Outcome::Accepted => *accepted += count,
            // It was counted when it was kept.
            Outcome::Repeated => {}
            Outcome::Invalid | Outcome::Reused | Outcome::TooOld => *refused += count,
        }
    }

    /// Adds all of it to what was counted before, of spaces that are locked.
    pub(super) async fn keep(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let mut sums = BTreeMap::<_, u64>::new();
        for ((space, minute, outcome), count) in &self.spaces {
            let minute = i64::from(minute.number());
            for step in Step::ALL.iter().copied().map(Step::minutes) {
                *sums.entry((*space, step, minute - minute % step, *outcome)).or_default() += count;
            }
        }
        let values = |((space, step, minute, outcome), count): (&(i64, i64, i64, Outcome), &u64)| {
            let count = Value::count(Some(*count));
            vec![Value::Int(*space), Value::Int(*step), Value::Int(*minute), Value::text(outcome), count]
        };
        ADD.add(sums.iter().map(values).collect(), tx).await?;
        self.keep_sources(tx).await
    }

    async fn keep_sources(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let sought: Vec<_> = self.sources.keys().map(|source| vec![Value::Int(*source)]).collect();
        let mut known = BTreeMap::new();
        for row in SELECT.run(sought, tx).await? {
            let (source, before) = read_known(row)?;
            known.insert(source, before);
        }
        let with = |(source, sent): (&i64, &Sent)| sent.row(*source, known.remove(source));
        let written: Vec<_> = self.sources.iter().map(with).collect();
        WRITE.write(written, tx).await.map(drop)
    }
}

/// What was known of a source.
struct Known {
    stream: i64,
    last_at: Timestamp,
    activity: Activity,
}

impl Sent {
    /// The row of the source with what it has sent.
    fn row(&self, source: i64, known: Option<Known>) -> Vec<Value> {
        let later = |known: &Known| (known.last_at > self.last_at).then_some((known.stream, known.last_at));
        let (stream, last_at) = known.as_ref().and_then(later).unwrap_or((self.stream, self.last_at));
        let mut activity = known.map_or_else(Activity::silent, |known| known.activity);
        for (minute, (accepted, refused)) in &self.minutes {
            activity.hear(*minute, *accepted, *refused);
        }
        vec![
            Value::Int(source),
            Value::Int(self.space),
            Value::Int(stream),
            last_at.into(),
            Value::blob(activity.to_bytes()),
        ]
    }
}

fn read_known(mut row: Row) -> Read<(i64, Known)> {
    let source = row.int("source")?;
    let (stream, last_at) = (row.int("stream")?, row.time("last_seen_at")?);
    Ok((source, Known { stream, last_at, activity: read_activity(&mut row)? }))
}

pub(super) fn read_activity(row: &mut Row) -> Read<Activity> {
    let activity = Activity::from_bytes(&row.blob("recent")?);
    activity.ok_or_else(|| StoreError::Corrupt("column `recent` has no known form".to_owned()))
}

/// Removes some of the steps that ended before a minute.
pub(crate) async fn sweep(minute: &[Value], tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    tx.execute(SWEEP, minute).await
}
