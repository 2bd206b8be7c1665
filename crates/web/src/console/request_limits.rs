//! Limits on the requests of many keys together, as customers and applications have them: told, and asked for in a form.

use keystile_core::RequestLimits;
use keystile_core::limit::MAX_RATE_LIMITS;
use serde_json::Value;

use super::as_json::{AsJson, number};
use super::form::Fields;
use super::parts;

/// Empty rows that a form offers beside those that are filled in.
const SPARE_ROWS: usize = 2;
/// What a window can be counted in; the first fits nearly all.
const UNITS: &[(&str, u64, &str)] =
    &[("s", 1, "seconds"), ("min", 60, "minutes"), ("h", 3_600, "hours"), ("d", 86_400, "days")];

/// The limits as they stand in a form.
#[derive(Debug, Default)]
pub(super) struct TypedLimits {
    pub(super) rpm: String,
    pub(super) rates: Vec<TypedRate>,
}

/// A row of the form.
pub(super) struct Row {
    /// What the API calls it.
    pub(super) at: String,
    /// Its place, from 1.
    pub(super) place: usize,
    pub(super) rate: TypedRate,
}

/// One further window, as it stands in a form.
#[derive(Debug, Clone, Default)]
pub(super) struct TypedRate {
    pub(super) name: String,
    pub(super) limit: String,
    pub(super) window: String,
    pub(super) unit: String,
    pub(super) burst: String,
}

impl TypedLimits {
    /// As they are.
    pub(super) fn of(limits: &RequestLimits) -> Self {
        let rate = |rate: &keystile_core::RateLimit| {
            let (window, unit) = in_unit(rate.window_seconds);
            TypedRate {
                name: rate.name.clone(),
                limit: rate.limit.to_string(),
                window: window.to_string(),
                unit: unit.to_owned(),
                burst: rate.burst.map(|burst| burst.to_string()).unwrap_or_default(),
            }
        };
        Self {
            rpm: limits.rpm.map(|rpm| rpm.to_string()).unwrap_or_default(),
            rates: limits.rates.iter().map(rate).collect(),
        }
    }

    /// As they were filled in. Rows that were left empty are none.
    pub(super) fn read(fields: &Fields) -> Self {
        let row = |place: usize| {
            let of = |name: &str| fields.text(&format!("rate_limits[{place}].{name}")).to_owned();
            TypedRate {
                name: of("name"),
                limit: of("limit"),
                window: of("window"),
                unit: of("unit"),
                burst: of("burst"),
            }
        };
        let rows = (0..MAX_RATE_LIMITS + SPARE_ROWS).map(row);
        Self { rpm: fields.text("rpm_limit").to_owned(), rates: rows.filter(TypedRate::is_meant).collect() }
    }

    /// Writes them into a request.
    pub(super) fn write(&self, request: AsJson) -> AsJson {
        let rates = self.rates.iter().map(TypedRate::as_json).collect();
        request.with("rpm_limit", number(&self.rpm)).with("rate_limits", Value::Array(rates))
    }

    /// The rows of the form: those that are filled in, and some to fill in.
    pub(super) fn rows(&self) -> Vec<Row> {
        let spare =
            std::iter::repeat_n(TypedRate { unit: "min".to_owned(), ..TypedRate::default() }, SPARE_ROWS);
        let all = self.rates.iter().cloned().chain(spare).take(MAX_RATE_LIMITS.max(self.rates.len()));
        let row = |(place, rate)| Row { at: format!("rate_limits[{place}]"), place: place + 1, rate };
        all.enumerate().map(row).collect()
    }

    pub(super) const fn units(&self) -> &'static [(&'static str, u64, &'static str)] {
        UNITS
    }
}

impl TypedRate {
    fn is_meant(&self) -> bool {
        [&self.name, &self.limit, &self.window, &self.burst].iter().any(|text| !text.is_empty())
    }

    fn as_json(&self) -> Value {
        let length = UNITS.iter().find(|(unit, ..)| *unit == self.unit).map_or(1, |(_, length, _)| *length);
        let seconds = match self.window.parse::<u64>() {
            Ok(count) => count.saturating_mul(length).into(),
            Err(_) => number(&self.window),
        };
        let row =
            AsJson::default().with("name", self.name.as_str().into()).with("limit", number(&self.limit));
        row.with("window_seconds", seconds).with("burst", number(&self.burst)).into()
    }
}

/// A length in the largest unit that makes it whole.
fn in_unit(seconds: u64) -> (u64, &'static str) {
    let whole = UNITS.iter().rev().find(|(_, length, _)| seconds.is_multiple_of(*length));
    whole.map_or((seconds, "s"), |(unit, length, _)| (seconds / length, unit))
}

/// The limits in a line: `600/min, 10,000/1 d`; nothing when there are none.
pub(super) fn told(limits: &RequestLimits) -> Option<String> {
    let minute = limits.rpm.map(|count| format!("{}/min", parts::number(count)));
    let others = limits.rates.iter();
    let others =
        others.map(|rate| format!("{}/{}", parts::number(rate.limit), parts::window(rate.window_seconds)));
    let all: Vec<_> = minute.into_iter().chain(others).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

#[cfg(test)]
mod tests {
    use keystile_core::RateLimit;
    use keystile_wire::CreateCustomer;

    use super::*;

    fn limits() -> RequestLimits {
        let rate = |name: &str, window_seconds, burst| RateLimit {
            name: name.to_owned(),
            limit: 10,
            window_seconds,
            burst,
        };
        RequestLimits { rpm: Some(600), rates: vec![rate("daily", 86_400, Some(2)), rate("odd", 90, None)] }
    }

    #[test]
    fn limits_come_back_from_the_form_as_they_were() {
        let typed = TypedLimits::of(&limits());
        let named = AsJson::default().with("name", "A".into());
        let (_, settings) = typed.write(named).read::<CreateCustomer>().unwrap().parse().unwrap();
        let mut written = RequestLimits::default();
        settings.limits.apply(&mut written).unwrap();
        assert_eq!(written, limits());
        assert_eq!((typed.rates[0].window.as_str(), typed.rates[0].unit.as_str()), ("1", "d"));
        assert_eq!((typed.rates[1].window.as_str(), typed.rates[1].unit.as_str()), ("90", "s"));
        assert_eq!(told(&limits()).unwrap(), "600/min, 10/1 d, 10/90 s");
    }

    #[test]
    fn rows_that_were_left_empty_are_none_and_there_is_always_room_for_more() {
        let pairs = [
            ("rate_limits[0].unit", "min"),
            ("rate_limits[1].name", "daily"),
            ("rate_limits[1].window", "1"),
        ];
        let fields: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let typed = TypedLimits::read(&fields.into());
        assert_eq!((typed.rates.len(), typed.rates[0].name.as_str(), typed.rows().len()), (1, "daily", 3));
    }
}
