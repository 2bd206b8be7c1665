//! How events come in: who sends them, how many, and what becomes of them.

use std::collections::BTreeMap;

use keystile_core::event::{IngestPosture, Outcome, OutcomeSum, Source};
use keystile_core::text::check_word;
use keystile_core::usage::{Span, Step};
use keystile_core::{ApplicationId, Code, Environment, Invalid, KeyId, TenantId, Timestamp, TrustLevel};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::key_request::SOURCE_ID_MAX;
use crate::schema;
use crate::usage::series_query;

/// Which sources to list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SourceListQuery {
    /// Items on the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Those that send into this environment; `production` by default.
    #[param(schema_with = schema::environment)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl SourceListQuery {
    /// The source behind which to read on.
    ///
    /// # Errors
    /// When the cursor cannot be that of a page.
    pub fn after(&self) -> Result<Option<String>, Invalid> {
        let after = self.cursor.as_deref().map(|cursor| check_word(cursor, SOURCE_ID_MAX)).transpose();
        after.map_err(|_| Invalid::new("cursor", "must be the `next_cursor` of a page"))
    }
}

series_query! {
    /// Of which environment and time to tell how events came in, and how finely. At most 1,500 points.
    IngestQuery {
        /// Events that were sent with keys of this environment; `production` by default.
        #[param(schema_with = schema::environment)]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub environment: Option<Environment>,
    }
}

/// A source, as it was last heard in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SourceView {
    /// Whose it is.
    #[schema(schema_with = schema::tenant_id)]
    pub tenant_id: TenantId,
    /// The environment into which it sends.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// What it is called.
    #[schema(schema_with = schema::word)]
    pub source_id: String,
    /// How it was to be treated when it was last heard.
    #[schema(schema_with = schema::trust_level)]
    pub trust_level: TrustLevel,
    /// The key with which it was last heard.
    #[schema(schema_with = schema::key_id)]
    pub key_id: KeyId,
    /// The application of that key.
    #[schema(schema_with = schema::application_id)]
    pub application_id: ApplicationId,
    /// When it last sent events, be they kept or refused.
    #[schema(schema_with = schema::time)]
    pub last_seen_at: Timestamp,
    /// Events that were accepted in the last 60 minutes.
    pub last_hour: u64,
    /// Events that were accepted in the last 24 hours of UTC, the present one included.
    pub last_day: u64,
    /// Events that were refused in those hours.
    pub refused_last_day: u64,
    /// Events that were accepted in a minute, as the mean of the last five.
    pub per_minute: f64,
    /// Keys of that environment that carry it and are active; those beyond 1,000 are not counted.
    pub active_keys: u64,
}

/// What became of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventCountsView {
    /// Those that are kept since.
    pub accepted: u64,
    /// Those that were kept before, and so were accepted again without any effect.
    pub repeated: u64,
    /// Those that were refused.
    pub refused: u64,
    /// The refused ones by reason: `invalid`, `event_id_reused` or `too_old`; reasons without any are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub refused_by_reason: BTreeMap<Outcome, u64>,
}

/// How events come into one environment of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct IngestPostureView {
    /// The environment.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// The sources that were heard last, the last one first; 20 at most.
    pub sources: Vec<SourceView>,
    /// Whether there are others; `GET …/sources` lists all of them.
    pub has_more_sources: bool,
    /// What became of the events of the last 60 minutes.
    pub last_hour: EventCountsView,
    /// What became of the events of the last 24 hours of UTC, the present one included.
    pub last_day: EventCountsView,
    /// Requests with keys of the environment that were refused in those hours.
    pub refused_attempts: u64,
    /// The same by code; codes without any are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub refused_attempts_by_code: BTreeMap<Code, u64>,
}

/// What became of the events that were sent into one environment, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestView {
    /// The environment.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
    /// When the first step begins.
    #[schema(schema_with = schema::time)]
    pub from: Timestamp,
    /// When the last step ends.
    #[schema(schema_with = schema::time)]
    pub to: Timestamp,
    /// The length of each step.
    #[schema(schema_with = schema::step)]
    pub step: Step,
    /// All steps together.
    pub total: EventCountsView,
    /// Each step, the earliest first, also those without any event.
    pub data: Vec<IngestPoint>,
}

/// One step of that series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IngestPoint {
    /// When it begins.
    #[schema(schema_with = schema::time)]
    pub starts_at: Timestamp,
    /// What became of the events that were received in it.
    #[serde(flatten)]
    pub counts: EventCountsView,
}

impl SourceView {
    /// A source at a moment.
    pub fn at(now: Timestamp, source: Source) -> Self {
        let Source { stamp, last_seen_at, activity, active_keys } = source;
        Self {
            tenant_id: stamp.tenant_id,
            environment: stamp.environment,
            source_id: stamp.source_id,
            trust_level: stamp.trust_level,
            key_id: stamp.key_id,
            application_id: stamp.application_id,
            last_seen_at,
            last_hour: activity.in_last_hour(now),
            last_day: activity.in_last_day(now),
            refused_last_day: activity.refused_in_last_day(now),
            per_minute: activity.per_minute(now),
            active_keys,
        }
    }
}

impl EventCountsView {
    fn add(&mut self, outcome: Outcome, count: u64) {
        match outcome {
            Outcome::Accepted => self.accepted += count,
            Outcome::Repeated => self.repeated += count,
            Outcome::Invalid | Outcome::Reused | Outcome::TooOld => {
                self.refused += count;
                *self.refused_by_reason.entry(outcome).or_default() += count;
            }
        }
    }
}

impl From<BTreeMap<Outcome, u64>> for EventCountsView {
    fn from(counted: BTreeMap<Outcome, u64>) -> Self {
        let mut counts = Self::default();
        counted.into_iter().for_each(|(outcome, count)| counts.add(outcome, count));
        counts
    }
}

impl From<IngestPosture> for IngestPostureView {
    fn from(posture: IngestPosture) -> Self {
        let IngestPosture {
            environment,
            now,
            sources,
            has_more_sources,
            last_hour,
            last_day,
            refused_attempts,
        } = posture;
        Self {
            environment,
            sources: sources.into_iter().map(|source| SourceView::at(now, source)).collect(),
            has_more_sources,
            last_hour: last_hour.into(),
            last_day: last_day.into(),
            refused_attempts: refused_attempts.values().sum(),
            refused_attempts_by_code: refused_attempts,
        }
    }
}

impl IngestView {
    /// The series of a span. Sums that do not begin with one of its steps are left out of it.
    pub fn new(environment: Environment, span: Span, sums: impl IntoIterator<Item = OutcomeSum>) -> Self {
        let mut counts: BTreeMap<i64, EventCountsView> = BTreeMap::new();
        let mut total = EventCountsView::default();
        for OutcomeSum { minute, outcome, count } in sums {
            counts.entry(minute).or_default().add(outcome, count);
            total.add(outcome, count);
        }
        let point = |(minute, starts_at)| IngestPoint {
            starts_at,
            counts: counts.remove(&minute).unwrap_or_default(),
        };
        let data = span.points().map(point).collect();
        Self { environment, from: span.from(), to: span.to(), step: span.step(), total, data }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_series_has_every_step_and_adds_up_to_its_total() {
        let span = Span::new(at("1970-01-01T01:00:00Z"), at("1970-01-01T04:00:00Z"), Step::Hour).unwrap();
        let sums = [
            (60, Outcome::Accepted, 5),
            (60, Outcome::Repeated, 1),
            (180, Outcome::Invalid, 2),
            (180, Outcome::TooOld, 1),
        ];
        let sums = sums.map(|(minute, outcome, count)| OutcomeSum { minute, outcome, count });
        let view = IngestView::new(Environment::Staging, span, sums);
        let counts = view.data.iter().map(|point| (point.counts.accepted, point.counts.refused));
        assert_eq!(counts.collect::<Vec<_>>(), [(5, 0), (0, 0), (0, 3)]);
        let total = serde_json::to_value(&view.total).unwrap();
        let expected = json!({
            "accepted": 5, "repeated": 1, "refused": 3, "refused_by_reason": { "invalid": 2, "too_old": 1 },
        });
        assert_eq!(total, expected);
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<IngestView>(&text).unwrap(), view);
    }
}
