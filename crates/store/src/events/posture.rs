//! How events come in, from what was counted when they did.

use std::collections::BTreeMap;

use keystile_core::event::{IngestPosture, Outcome, OutcomeSum, Source};
use keystile_core::usage::{Span, Step};
use keystile_core::{Code, Environment, Minute, Stamp, TenantId, Timestamp};

use super::{spaces, tally};
use crate::page::MAX_LIMIT;
use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError};

/// Most sources that the posture tells of.
const SOURCES: usize = 20;

/// What is told of a source `a`. `$2` is the tenant, `$3` the environment, `$4` the present. Keys are counted from an index alone, up
/// to a bound.
macro_rules! source {
    ($from:literal) => {
        concat!(
            "SELECT s.source_id, t.application_id, t.key_id, t.trust_level, a.last_seen_at, a.recent,
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM api_keys AS k
                    WHERE k.tenant_id = $2 AND k.source_id {by_bytes} = s.source_id AND k.environment = $3
                        AND k.deleted_at IS NULL AND k.enabled = 1 AND k.revoked_at IS NULL
                        AND (k.expires_at IS NULL OR k.expires_at > $4)
                    LIMIT 1000) AS active) AS active_keys
             FROM ",
            $from
        )
    };
}

/// One more than [`SOURCES`], written out so that the planner knows how few they are.
const SEEN: &str = source!(
    "(SELECT source, stream, last_seen_at, recent FROM source_activity WHERE space = $1
        ORDER BY last_seen_at DESC, source DESC LIMIT 21) AS a
     JOIN event_sources AS s ON s.id = a.source JOIN event_streams AS t ON t.id = a.stream
     ORDER BY a.last_seen_at DESC, a.source DESC"
);
const LISTED: &str = source!(
    "event_sources AS s JOIN source_activity AS a ON a.source = s.id JOIN event_streams AS t ON t.id = a.stream
     WHERE s.space = $1 AND s.source_id > $5 ORDER BY s.source_id LIMIT $6"
);
const COUNTED: &str = "SELECT outcome, CAST(SUM(counted) AS BIGINT) AS counted FROM event_counts
    WHERE space = $1 AND step = $2 AND minute >= $3 AND minute < $4 GROUP BY outcome";
const SERIES: &str = "SELECT minute, outcome, counted FROM event_counts
    WHERE space = $1 AND step = $2 AND minute >= $3 AND minute < $4";
const REFUSED: &str = "SELECT code, CAST(SUM(counted) AS BIGINT) AS counted FROM tenant_usage
    WHERE tenant_id = $1 AND step = $2 AND minute >= $3 AND minute < $4 AND environment = $5 AND code <> $6
    GROUP BY code";

/// Whose events.
#[derive(Debug, Clone, Copy)]
struct Whose {
    tenant_id: TenantId,
    environment: Environment,
    now: Timestamp,
}

impl Store {
    /// How events come into an environment of a tenant. Reads what was counted and no event: some hundreds of rows at most, however
    /// many events, sources and keys there are.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn ingest_posture(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        now: Timestamp,
    ) -> Result<IngestPosture, StoreError> {
        let whose = Whose { tenant_id, environment, now };
        self.read(whose, |whose, tx| Box::pin(read_posture(*whose, tx))).await
    }

    /// The sources that have sent events into an environment of a tenant, by their ids; `limit` of them, at most 1,001, behind `after`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn sources(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        after: Option<&str>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Source>, StoreError> {
        let whose = Whose { tenant_id, environment, now };
        let page = [Value::text(after.unwrap_or_default()), i64::from(limit.min(MAX_LIMIT)).into()];
        self.read((whose, page), |(whose, page), tx| Box::pin(read_sources(*whose, page, tx))).await
    }

    /// What became of the events of an environment of a tenant, step by step; steps without any are left out.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn event_counts(
        &self,
        tenant_id: TenantId,
        environment: Environment,
        span: Span,
    ) -> Result<Vec<OutcomeSum>, StoreError> {
        let asked = (tenant_id, environment, span);
        self.read(asked, |asked, tx| Box::pin(read_series(*asked, tx))).await
    }
}

async fn read_posture(whose: Whose, tx: &mut Tx<'_>) -> Read<IngestPosture> {
    let Whose { tenant_id, environment, now } = whose;
    let [hour, day] = [last_hour(now), last_day(now)];
    let besides = [Value::text(environment), Value::text(Code::Allowed)];
    let asked = [&[Value::text(tenant_id)], &day[..], &besides].concat();
    let rows = tx.query(REFUSED, &asked).await?;
    let mut posture = IngestPosture {
        environment,
        now,
        sources: Vec::new(),
        has_more_sources: false,
        last_hour: BTreeMap::new(),
        last_day: BTreeMap::new(),
        refused_attempts: rows.into_iter().map(read_code).collect::<Read<_>>()?,
    };
    let Some(space) = spaces::find(tenant_id, environment, tx).await? else { return Ok(posture) };
    let of = |span: [Value; 3]| [&[Value::Int(space)], &span[..]].concat();
    let (hour, day, seen) = (of(hour), of(day), whose.values(space));
    let batch: [Statement<'_>; 3] = [(SEEN, &seen), (COUNTED, &hour), (COUNTED, &day)];
    let mut answers = tx.pipeline(&batch).await?.into_iter();
    let mut next = || answers.next().unwrap_or_default().into_iter();
    posture.sources = next().map(|row| whose.read_source(row)).collect::<Read<_>>()?;
    posture.has_more_sources = posture.sources.len() > SOURCES;
    posture.sources.truncate(SOURCES);
    posture.last_hour = next().map(read_counted).collect::<Read<_>>()?;
    posture.last_day = next().map(read_counted).collect::<Read<_>>()?;
    Ok(posture)
}

async fn read_sources(whose: Whose, page: &[Value; 2], tx: &mut Tx<'_>) -> Read<Vec<Source>> {
    let Some(space) = spaces::find(whose.tenant_id, whose.environment, tx).await? else {
        return Ok(Vec::new());
    };
    let (sql, values) = whose.listed(space, page);
    tx.query(sql, &values).await?.into_iter().map(|row| whose.read_source(row)).collect()
}

async fn read_series(
    (tenant_id, environment, span): (TenantId, Environment, Span),
    tx: &mut Tx<'_>,
) -> Read<Vec<OutcomeSum>> {
    let Some(space) = spaces::find(tenant_id, environment, tx).await? else { return Ok(Vec::new()) };
    let (first, end) = span.minutes();
    let values = [Value::Int(space), span.step().minutes().into(), first.into(), end.into()];
    tx.query(SERIES, &values).await?.into_iter().map(read_sum).collect()
}

impl Whose {
    fn values(&self, space: i64) -> Vec<Value> {
        vec![Value::Int(space), Value::text(self.tenant_id), Value::text(self.environment), self.now.into()]
    }

    fn listed(&self, space: i64, page: &[Value; 2]) -> (&'static str, Vec<Value>) {
        (LISTED, [self.values(space).as_slice(), page].concat())
    }

    fn read_source(&self, mut row: Row) -> Read<Source> {
        let source_id = row.text("source_id")?;
        let stamp = Stamp {
            tenant_id: self.tenant_id,
            environment: self.environment,
            application_id: row.parsed("application_id")?,
            key_id: row.parsed("key_id")?,
            source_id,
            trust_level: row.parsed("trust_level")?,
        };
        let last_seen_at = row.time("last_seen_at")?;
        let activity = tally::read_activity(&mut row)?;
        let active_keys = row.opt_count("active_keys")?.unwrap_or(0);
        Ok(Source { stamp, last_seen_at, activity, active_keys })
    }
}

fn read_counted(mut row: Row) -> Read<(Outcome, u64)> {
    Ok((row.parsed("outcome")?, row.opt_count("counted")?.unwrap_or(0)))
}

fn read_code(mut row: Row) -> Read<(Code, u64)> {
    Ok((row.parsed("code")?, row.opt_count("counted")?.unwrap_or(0)))
}

fn read_sum(mut row: Row) -> Read<OutcomeSum> {
    let minute = row.int("minute")?;
    let (outcome, count) = read_counted(row)?;
    Ok(OutcomeSum { minute, outcome, count })
}

/// The length of a step, the first minute, and the first that is behind the end: of the last 60 minutes.
fn last_hour(now: Timestamp) -> [Value; 3] {
    lately(Step::Minute, 60, now)
}

/// The same of the last 24 hours.
fn last_day(now: Timestamp) -> [Value; 3] {
    lately(Step::Hour, 24, now)
}

fn lately(step: Step, steps: i64, now: Timestamp) -> [Value; 3] {
    let (minute, length) = (i64::from(Minute::of(now).number()), step.minutes());
    let end = minute - minute % length + length;
    [length.into(), (end - steps * length).into(), end.into()]
}

/// What is asked of many rows, so that a test can look at how it is answered: the sources that were heard last, a page of them, and
/// what was counted in a day.
#[cfg(test)]
pub(crate) fn questions(
    tenant_id: TenantId,
    environment: Environment,
    now: Timestamp,
) -> [(&'static str, Vec<Value>); 3] {
    let whose = Whose { tenant_id, environment, now };
    let day = [&[Value::Int(1)], &last_day(now)[..]].concat();
    let listed = whose.listed(1, &[Value::text("source-10"), Value::Int(51)]);
    [(SEEN, whose.values(1)), listed, (COUNTED, day)]
}
