//! How often keys were allowed and refused, step by step.

use std::collections::BTreeMap;

use keystile_core::usage::{Latency, Span, Step, Sum};
use keystile_core::{Code, Environment, Invalid, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::schema;

/// A query for a series: which time to show, and how finely. What else it may ask for stands in its braces. The fields are those of each, not of a
/// part that is flattened into it, so that what is wrong with one is told with its name.
macro_rules! series_query {
    ($(#[$about:meta])* $name:ident { $($more:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// From the step that holds this moment; by default so that there are 60 minutes, 24 hours or 30 days. Counts are kept for
            /// 90 days, and are 0 before.
            #[param(schema_with = schema::time)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub from: Option<Timestamp>,
            /// Up to this moment, to the end of the step that holds the last bit before it; now by default.
            #[param(schema_with = schema::time)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub to: Option<Timestamp>,
            /// The length of each step, `hour` by default. Days are those of UTC.
            #[param(schema_with = schema::step)]
            #[serde(skip_serializing_if = "Option::is_none")]
            pub step: Option<Step>,
            $($more)*
        }

        impl $name {
            /// The whole steps that are asked for.
            ///
            /// # Errors
            /// The broken rule: a `to` that is not later than `from`, or more than 1,500 points.
            pub fn span(&self, now: Timestamp) -> Result<Span, Invalid> {
                Span::within(self.from, self.to, self.step.unwrap_or(Step::Hour), now)
            }
        }
    };
}

pub(crate) use series_query;

series_query! {
    /// Which time to show, and how finely. At most 1,500 points.
    UsageQuery {}
}

series_query! {
    /// The same for all keys of a tenant together.
    TenantUsageQuery {
        /// Only keys of this environment.
        #[param(schema_with = schema::environment)]
        #[serde(skip_serializing_if = "Option::is_none")]
        pub environment: Option<Environment>,
    }
}

/// How often requests were allowed and refused, step by step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageView {
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
    pub total: UsageCounts,
    /// Each step, the earliest first, also those without any count.
    pub data: Vec<UsagePoint>,
}

/// One step of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsagePoint {
    /// When it begins.
    #[schema(schema_with = schema::time)]
    pub starts_at: Timestamp,
    /// What was counted in it.
    #[serde(flatten)]
    pub counts: UsageCounts,
}

/// How often decisions were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageCounts {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// The refused ones by their code; codes without any are left out.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub refused_by_code: BTreeMap<Code, u64>,
    /// The same requests, allowed and refused, by how long they waited.
    pub latency: LatencyCounts,
}

/// Decisions by how long they waited until their key was read. Each stands in one place, the first that holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LatencyCounts {
    /// Not at all, as the key was in memory. Such decisions are not timed.
    pub memory: u64,
    /// At most 1 ms.
    pub up_to_1_ms: u64,
    /// At most 5 ms.
    pub up_to_5_ms: u64,
    /// At most 25 ms.
    pub up_to_25_ms: u64,
    /// At most 100 ms.
    pub up_to_100_ms: u64,
    /// At most 500 ms.
    pub up_to_500_ms: u64,
    /// Longer, up to the two seconds after which a request is refused.
    pub longer: u64,
}

impl UsageView {
    /// The series of a span. Sums that do not begin with one of its steps are left out.
    pub fn new(span: Span, sums: impl IntoIterator<Item = Sum>) -> Self {
        let mut counts: BTreeMap<i64, UsageCounts> = BTreeMap::new();
        let mut total = UsageCounts::default();
        for sum in sums {
            counts.entry(sum.minute).or_default().add(&sum);
            total.add(&sum);
        }
        let point = |(minute, starts_at)| UsagePoint {
            starts_at,
            counts: counts.remove(&minute).unwrap_or_default(),
        };
        let data = span.points().map(point).collect();
        Self { from: span.from(), to: span.to(), step: span.step(), total, data }
    }
}

impl UsageCounts {
    fn add(&mut self, sum: &Sum) {
        if sum.code == Code::Allowed {
            self.allowed += sum.count;
        } else {
            self.refused += sum.count;
            *self.refused_by_code.entry(sum.code).or_default() += sum.count;
        }
        *self.latency.place(sum.latency) += sum.count;
    }
}

impl LatencyCounts {
    const fn place(&mut self, latency: Latency) -> &mut u64 {
        match latency {
            Latency::Memory => &mut self.memory,
            Latency::UpTo1Ms => &mut self.up_to_1_ms,
            Latency::UpTo5Ms => &mut self.up_to_5_ms,
            Latency::UpTo25Ms => &mut self.up_to_25_ms,
            Latency::UpTo100Ms => &mut self.up_to_100_ms,
            Latency::UpTo500Ms => &mut self.up_to_500_ms,
            Latency::Longer => &mut self.longer,
        }
    }

    /// Each wait that there was, with how many decisions it is of.
    pub fn waits(mut self) -> impl Iterator<Item = (Latency, u64)> {
        let waited = move |latency: &Latency| (*latency, *self.place(*latency));
        Latency::ALL.iter().map(waited).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn sum(minute: i64, code: Code, latency: Latency, count: u64) -> Sum {
        Sum { minute, code, latency, count }
    }

    #[test]
    fn a_series_has_every_step_and_adds_up_to_its_total() {
        let span = Span::new(at("1970-01-01T01:00:00Z"), at("1970-01-01T04:00:00Z"), Step::Hour).unwrap();
        let sums = [
            sum(60, Code::Allowed, Latency::Memory, 5),
            sum(60, Code::Allowed, Latency::UpTo25Ms, 1),
            sum(180, Code::RateLimited, Latency::Memory, 2),
            sum(180, Code::KeyRevoked, Latency::Longer, 1),
        ];
        let view = UsageView::new(span, sums);
        let starts: Vec<_> = view.data.iter().map(|point| point.starts_at.to_string()).collect();
        assert_eq!(starts, ["01", "02", "03"].map(|hour| format!("1970-01-01T{hour}:00:00.000Z")));
        let counts = view.data.iter().map(|point| (point.counts.allowed, point.counts.refused));
        assert_eq!(counts.collect::<Vec<_>>(), [(6, 0), (0, 0), (0, 3)]);
        let total = serde_json::to_value(&view.total).unwrap();
        let expected = json!({
            "allowed": 6, "refused": 3, "refused_by_code": { "key_revoked": 1, "rate_limited": 2 },
            "latency": { "memory": 7, "up_to_1_ms": 0, "up_to_5_ms": 0, "up_to_25_ms": 1, "up_to_100_ms": 0,
                "up_to_500_ms": 0, "longer": 1 },
        });
        assert_eq!(total, expected);
        let text = serde_json::to_string(&view).unwrap();
        assert_eq!(serde_json::from_str::<UsageView>(&text).unwrap(), view);
    }

    #[test]
    fn only_what_is_told_of_many_keys_can_be_of_an_environment() {
        let asked = json!({ "from": "2026-01-31T00:00:00Z", "step": "day", "environment": "staging" });
        let refused = serde_json::from_value::<UsageQuery>(asked.clone()).unwrap_err().to_string();
        assert!(refused.contains("unknown field `environment`"), "{refused}");
        let query: TenantUsageQuery = serde_json::from_value(asked.clone()).unwrap();
        assert_eq!((query.step, query.environment), (Some(Step::Day), Some(Environment::Staging)));
        assert_eq!(query.span(at("2026-02-01T12:00:00Z")).unwrap().points().count(), 2);
        assert_eq!(serde_json::to_value(&query).unwrap()["step"], asked["step"]);
    }

    #[test]
    fn waits_are_called_in_json_what_they_are_called_in_the_core() {
        let json = serde_json::to_value(LatencyCounts::default()).unwrap();
        let mut names: Vec<_> = json
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _): (&String, &Value)| name.as_str())
            .collect();
        let mut known: Vec<_> = Latency::ALL.iter().map(|latency| latency.as_str()).collect();
        names.sort_unstable();
        known.sort_unstable();
        assert_eq!(names, known);
    }
}
