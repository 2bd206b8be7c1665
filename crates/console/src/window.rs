//! Rate limits as people read and type them: so many requests in so many minutes, hours or days.

use keystile_core::limit::MAX_RATE_LIMITS;
use keystile_core::{ApiKey, Invalid, RateLimit, WhenAway};

use super::form::Fields;
use super::parts;

/// Rows that a form shows at least, so that a few can be filled in without scripts.
const ROWS: usize = 3;

/// Units of time, in seconds; the first fits everything.
const UNITS: &[(&str, &str)] = &[("1", "seconds"), ("60", "minutes"), ("3600", "hours"), ("86400", "days")];

/// What a form offers for the time without the shared count: as it sends it, and in few letters.
const POLICIES: &[(&str, &str)] =
    &[("", "Default"), (WhenAway::Refuse.as_str(), "Refuse"), (WhenAway::LocalShare.as_str(), "Share")];

/// One row of a form: what is typed for a further window.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) limit: String,
    pub(super) count: String,
    pub(super) unit: String,
    pub(super) name: String,
    pub(super) burst: String,
    pub(super) when_away: String,
}

impl Row {
    fn typed(fields: &Fields, index: usize) -> Self {
        let of = |part: &str| fields.text(&field(index, part)).to_owned();
        Self {
            limit: of("limit"),
            count: of("window"),
            unit: of("unit"),
            name: of("name"),
            burst: of("burst"),
            when_away: of("when_away"),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        [&self.limit, &self.count, &self.name, &self.burst].into_iter().all(String::is_empty)
    }

    /// What its window can be told in: as the form sends it, and for people.
    pub(super) const fn units(&self) -> &'static [(&'static str, &'static str)] {
        UNITS
    }

    /// Whether its window is told in this unit; in minutes while nothing is chosen.
    pub(super) fn is_in(&self, unit: &str) -> bool {
        if self.unit.is_empty() { unit == "60" } else { self.unit == unit }
    }

    /// What can be declared for the time without the shared count.
    pub(super) const fn policies(&self) -> &'static [(&'static str, &'static str)] {
        POLICIES
    }

    /// Whether this is declared.
    pub(super) fn has_policy(&self, policy: &str) -> bool {
        self.when_away == policy
    }

    /// The limit, if numbers stand where they must, and a policy that there is.
    fn parse(&self, index: usize) -> Result<RateLimit, Invalid> {
        let number = |part: &str, text: &str| {
            text.parse::<u64>().map_err(|_| Invalid::new(field(index, part), "must be a whole number"))
        };
        let unit = number("window_seconds", if self.unit.is_empty() { "60" } else { &self.unit })?;
        let count = number("window_seconds", if self.count.is_empty() { "1" } else { &self.count })?;
        let window_seconds = count.saturating_mul(unit);
        let burst = Some(self.burst.as_str()).filter(|text| !text.is_empty());
        let when_away = Some(self.when_away.as_str()).filter(|text| !text.is_empty());
        let policy =
            |text: &str| text.parse().map_err(|broken: Invalid| broken.at(&field(index, "when_away")));
        Ok(RateLimit {
            name: if self.name.is_empty() { default_name(window_seconds) } else { self.name.clone() },
            limit: number("limit", &self.limit)?,
            window_seconds,
            burst: burst.map(|text| number("burst", text)).transpose()?,
            when_away: when_away.map(policy).transpose()?,
        })
    }
}

impl From<&RateLimit> for Row {
    fn from(rate: &RateLimit) -> Self {
        let fits = |unit: &u64| rate.window_seconds.is_multiple_of(*unit);
        let unit = [86_400, 3_600, 60].into_iter().find(fits).unwrap_or(1);
        Self {
            limit: rate.limit.to_string(),
            count: (rate.window_seconds / unit).to_string(),
            unit: unit.to_string(),
            name: rate.name.clone(),
            burst: rate.burst.map(|burst| burst.to_string()).unwrap_or_default(),
            when_away: rate.when_away.map(|policy| policy.to_string()).unwrap_or_default(),
        }
    }
}

/// What a limit is called whose name is left open: `per-1h`.
fn default_name(window_seconds: u64) -> String {
    format!("per-{}", parts::window(window_seconds).replace(' ', ""))
}

/// What a field of a row is called.
fn field(index: usize, part: &str) -> String {
    format!("rate_limits[{index}].{part}")
}

/// The fields of the form for these limits.
pub(super) fn fields_of(rates: &[RateLimit]) -> impl Iterator<Item = (String, String)> {
    rates.iter().map(Row::from).enumerate().flat_map(|(index, row)| {
        let parts = [
            ("limit", row.limit),
            ("window", row.count),
            ("unit", row.unit),
            ("name", row.name),
            ("burst", row.burst),
            ("when_away", row.when_away),
        ];
        parts.map(|(part, value)| (field(index, part), value))
    })
}

/// The rows in which anything is typed.
pub(super) fn typed(fields: &Fields) -> Vec<Row> {
    let rows = (0..MAX_RATE_LIMITS).map(|index| Row::typed(fields, index));
    rows.filter(|row| !row.is_empty()).collect()
}

/// The limits that the rows mean.
///
/// # Errors
/// Each row in which no number stands where one must.
pub(super) fn parse(rows: &[Row]) -> Result<Vec<RateLimit>, Vec<Invalid>> {
    let (mut rates, mut broken) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match row.parse(index) {
            Ok(rate) => rates.push(rate),
            Err(invalid) => broken.push(invalid),
        }
    }
    if broken.is_empty() { Ok(rates) } else { Err(broken) }
}

/// The rows of a form: those that are filled in, and empty ones behind them.
pub(super) fn with_empty(mut rows: Vec<Row>) -> Vec<Row> {
    let shown = ROWS.max(rows.len() + 1).min(MAX_RATE_LIMITS);
    rows.resize(shown.max(rows.len()), Row::default());
    rows
}

/// The limits of a key in a line; nothing when it has none.
pub(super) fn summary(key: &ApiKey) -> String {
    told(key.limits.rpm, &key.limits.rates)
}

/// Limits in a line: `600/min, 10,000/d`; nothing when there are none.
pub(super) fn told(rpm: Option<u64>, rates: &[RateLimit]) -> String {
    let minute = rpm.map(|count| format!("{}/min", parts::number(count)));
    let further = rates.iter();
    let further = further.map(|rate| format!("{}/{}", parts::number(rate.limit), span(rate.window_seconds)));
    minute.into_iter().chain(further).collect::<Vec<_>>().join(", ")
}

/// What limits declare for the time without the shared count, in a line; `None` when all of them leave it to the server.
pub(super) fn declared(rates: &[RateLimit]) -> Option<String> {
    let told = |rate: &RateLimit| {
        let what = match rate.when_away? {
            WhenAway::Refuse => "refuses",
            WhenAway::LocalShare => "admits each server’s share",
        };
        Some(format!("{} {what}", rate.name))
    };
    let told: Vec<_> = rates.iter().filter_map(told).collect();
    (!told.is_empty()).then(|| format!("While the shared count is away: {}", told.join(", ")))
}

/// `h` for one hour, `7 d` for seven days.
fn span(seconds: u64) -> String {
    let told = parts::window(seconds);
    told.strip_prefix("1 ").map(str::to_owned).unwrap_or(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into()
    }

    fn rate(name: &str, window_seconds: u64, when_away: Option<WhenAway>) -> RateLimit {
        RateLimit { name: name.to_owned(), limit: 7, window_seconds, burst: None, when_away }
    }

    #[test]
    fn a_row_is_read_as_it_is_shown() {
        for rate in [
            RateLimit {
                name: "daily".to_owned(),
                limit: 10_000,
                window_seconds: 86_400,
                burst: Some(50),
                when_away: None,
            },
            rate("odd", 5_400, Some(WhenAway::Refuse)),
            rate("s", 61, Some(WhenAway::LocalShare)),
        ] {
            assert_eq!(parse(&[Row::from(&rate)]), Ok(vec![rate]));
        }
    }

    #[test]
    fn what_is_declared_is_chosen_from_a_list_and_told_in_a_line() {
        let (odd, share) =
            (rate("odd", 60, Some(WhenAway::Refuse)), rate("s", 60, Some(WhenAway::LocalShare)));
        let row = Row::from(&odd);
        let chosen: Vec<_> = row.policies().iter().filter(|(policy, _)| row.has_policy(policy)).collect();
        assert_eq!(chosen, [&("refuse", "Refuse")]);
        assert!(Row::default().has_policy(""));
        let broken = parse(&[Row { when_away: "open".to_owned(), ..row }]).unwrap_err();
        assert_eq!(broken[0].field, "rate_limits[0].when_away");
        assert!(broken[0].rule.contains("`refuse` `local_share`"));
        let told = declared(&[odd, rate("plain", 60, None), share]).unwrap();
        assert_eq!(told, "While the shared count is away: odd refuses, s admits each server’s share");
        assert_eq!(declared(&[rate("plain", 60, None)]), None);
    }

    #[test]
    fn empty_rows_are_left_out_and_the_others_are_told_by_their_place() {
        let typed = typed(&fields(&[
            ("rate_limits[0].unit", "3600"),
            ("rate_limits[1].limit", "100"),
            ("rate_limits[1].unit", "3600"),
            ("rate_limits[2].limit", "many"),
            ("rate_limits[2].window", "2"),
        ]));
        assert_eq!(typed.len(), 2);
        let broken = parse(&typed).unwrap_err();
        assert_eq!(
            broken.iter().map(|invalid| invalid.field.as_ref()).collect::<Vec<_>>(),
            ["rate_limits[1].limit"]
        );
        let hourly = RateLimit {
            name: "per-1h".to_owned(),
            limit: 100,
            window_seconds: 3_600,
            burst: None,
            when_away: None,
        };
        assert_eq!(parse(&typed[..1]), Ok(vec![hourly]));
        assert_eq!(with_empty(typed).len(), 3);
    }
}
