//! What was spent: day by day, and by whom or on what.

use askama::Template;
use axum::extract::State;
use keystile_core::quota::{Day, Spend, SpendBy, SpendSum, Spending};
use keystile_core::{ApplicationId, CustomerId, Environment, KeyId, NanoUsd, Timestamp};
use keystile_manage::{Names, SpendFilter};
use keystile_wire::SpendQuery;
use serde::{Deserialize, Serialize};

use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::table::{Pages, get};
use crate::visitor::Inside;
use crate::{assets, money, parts, words};
use keystile_web::App;
use keystile_web::api::ledger::written;
use keystile_web::api::{Answer, sought};

/// By whom or on what it is told; days have a chart.
const TABLES: &[SpendBy] = &[SpendBy::Key, SpendBy::Customer, SpendBy::Application, SpendBy::Model];
/// Sums that a page shows, those who spent most; the API tells more.
const SHOWN: usize = 200;
/// What narrows a report, as queries name it.
const NARROWING: [&str; 5] = ["key_id", "customer_id", "application_id", "model", "environment"];
/// Those that stand behind "More filters".
const FURTHER: [&str; 4] = ["key_id", "customer_id", "application_id", "model"];

pub(super) fn routes() -> Pages {
    Pages::new().route("/spend", get(show))
}

/// What the page is asked to show. Days are those of UTC, both included.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    by: Option<SpendBy>,
    from: Option<String>,
    to: Option<String>,
    key_id: Option<KeyId>,
    customer_id: Option<CustomerId>,
    application_id: Option<ApplicationId>,
    model: Option<String>,
    environment: Option<Environment>,
}

impl Wanted {
    /// The days: the first, and the first that is not asked for.
    fn days(&self, now: Timestamp) -> Answer<(Day, Day)> {
        let day = |field: &str, text: &Option<String>| {
            let day = text.as_deref().map(str::parse::<Day>).transpose();
            day.map_err(|invalid| invalid.at(field))
        };
        let (from, to) = (day("from", &self.from)?, day("to", &self.to)?);
        let (from, to) = (from.map(Day::start), to.map(|last| last.plus(1).start()));
        Ok(SpendQuery { from, to, ..SpendQuery::default() }.days(now)?)
    }

    /// Whose spending.
    fn filter(self) -> Answer<SpendFilter> {
        let Self { key_id, customer_id, application_id, model, environment, .. } = self;
        Ok(SpendFilter { key_id, customer_id, application_id, model: sought("model", model)?, environment })
    }

    /// By whom or on what.
    fn by(&self) -> SpendBy {
        self.by.filter(|by| TABLES.contains(by)).unwrap_or(SpendBy::Key)
    }
}

#[derive(Template)]
#[template(path = "llm/spend.html")]
struct Show {
    shell: Shell,
    asked: Asked,
    by: SpendBy,
    first: String,
    last: String,
    total: Spend,
    chart: Chart,
    /// Days on which anything was charged, the latest first.
    days: Vec<Row>,
    rows: Vec<Row>,
    /// How many more there are than are shown, and whether that is not all of them.
    further: usize,
    has_more: bool,
}

/// A sum, as a table shows it.
struct Row {
    /// Empty for what belongs to none.
    name: String,
    path: Option<String>,
    requests: u64,
    /// Tokens of input, those of caches included.
    input: u64,
    output: u64,
    cost: String,
    /// Of the sum of all, in thousandths.
    share: u64,
}

/// What the script draws, and the same in a sentence.
struct Chart {
    series: String,
    told: String,
}

#[derive(Serialize)]
struct Series {
    times: Vec<i64>,
    days: Vec<String>,
    spent: Vec<f64>,
}

/// What was spent in some days.
async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<Wanted>,
) -> Answer {
    let (by, (from, to)) = (query.by(), query.days(shell.now)?);
    let filter = query.filter()?;
    written(&app, &caller).await?;
    let Spending { sums: days, total, .. } =
        app.control.spend(&caller, SpendBy::Day, (from, to), &filter).await?;
    let Spending { mut sums, has_more, .. } = app.control.spend(&caller, by, (from, to), &filter).await?;
    let further = sums.len().saturating_sub(SHOWN);
    sums.truncate(SHOWN);
    let names = app.control.names_in_spend(&caller, by, &sums).await?;
    let row = |sum: &SpendSum| row(sum, &total, named(by, sum, &names), path(&shell, by, sum));
    let rows = sums.iter().map(row).collect();
    let of_day = |sum: &SpendSum| {
        let day = sum.name.clone().unwrap_or_default();
        self::row(sum, &total, day, None)
    };
    let (chart, days) = (Chart::of(&days, (from, to), &total), days.iter().rev().map(of_day).collect());
    let (first, last) = (from.to_string(), to.plus(-1).to_string());
    page(&Show { shell, asked, by, first, last, total, chart, days, rows, further, has_more })
}

/// What it is called that a sum is of; nothing for what belongs to none.
fn named(by: SpendBy, sum: &SpendSum, names: &Names) -> String {
    let name = sum.name.as_deref().unwrap_or_default();
    match by {
        SpendBy::Key | SpendBy::Customer | SpendBy::Application => names.of(name).unwrap_or(name).to_owned(),
        SpendBy::Model | SpendBy::Day => name.to_owned(),
    }
}

/// Where more is told of it.
fn path(shell: &Shell, by: SpendBy, sum: &SpendSum) -> Option<String> {
    let name = sum.name.as_deref()?;
    match by {
        SpendBy::Key => Some(shell.path(&format!("keys/{name}#spending"))),
        SpendBy::Customer => Some(shell.path(&format!("customers/{name}"))),
        SpendBy::Application => Some(shell.path(&format!("applications/{name}"))),
        SpendBy::Model => Some(shell.path("ledger") + &Asked::default().with("model", name)),
        SpendBy::Day => None,
    }
}

fn row(sum: &SpendSum, total: &Spend, name: String, path: Option<String>) -> Row {
    let Spend { requests, input, cached_input, cache_write, output, cost } = sum.spend;
    Row {
        name,
        path,
        requests,
        input: input.saturating_add(cached_input).saturating_add(cache_write),
        output,
        cost: money::rounded(cost),
        share: share(cost, total.cost),
    }
}

/// A part of a sum, in thousandths. Corrections can make either less than nothing.
fn share(part: NanoUsd, of: NanoUsd) -> u64 {
    let nanos = |amount: NanoUsd| u128::try_from(amount.as_nanos()).unwrap_or(0);
    u64::try_from((nanos(part) * 1_000 / nanos(of).max(1)).min(1_000)).unwrap_or(1_000)
}

impl Chart {
    /// Of these days, also of those of which nothing is told.
    fn of(sums: &[SpendSum], (from, to): (Day, Day), total: &Spend) -> Self {
        let days: Vec<Day> = (from.number()..to.number()).map(Day::from_number).collect();
        let names: Vec<String> = days.iter().map(Day::to_string).collect();
        let spent = |day: &String| {
            let sum = sums.iter().find(|sum| sum.name.as_deref() == Some(day.as_str()));
            sum.map_or(0.0, |sum| sum.spend.cost.to_dollars())
        };
        let series = Series {
            times: days.iter().map(|day| day.start().as_seconds()).collect(),
            spent: names.iter().map(spent).collect(),
            days: names,
        };
        let told = format!("{} spent from {from} to {}.", money::rounded(total.cost), to.plus(-1));
        // Numbers and days alone: nothing in it can fail to be written.
        Self { series: serde_json::to_string(&series).unwrap_or_default(), told }
    }
}

impl Show {
    /// The tables that can be shown: how queries name each, what people call it, and whether it is shown.
    fn tables(&self) -> Vec<(String, &'static str, bool)> {
        let link = |by: &SpendBy| (self.asked.with("by", by.as_str()), words::spend_by(*by), *by == self.by);
        TABLES.iter().map(link).collect()
    }

    /// The same of the days that are shown unless others are asked for.
    fn usual(&self) -> String {
        self.asked.with_all(&[("from", ""), ("to", "")])
    }

    /// Whether the report is of a part of what was spent.
    fn is_narrowed(&self) -> bool {
        NARROWING.iter().any(|name| !self.asked.of(name).is_empty())
    }

    fn further_filters(&self) -> usize {
        FURTHER.iter().filter(|name| !self.asked.of(name).is_empty()).count()
    }

    /// The same of all.
    fn whole(&self) -> String {
        self.asked.with_all(&NARROWING.map(|name| (name, "")))
    }

    fn head(&self) -> &'static str {
        words::spend_by(self.by)
    }

    fn is_empty(&self) -> bool {
        self.total.requests == 0 && self.total.cost == NanoUsd::ZERO
    }

    fn tokens(&self) -> u64 {
        let Spend { input, cached_input, cache_write, output, .. } = self.total;
        [input, cached_input, cache_write, output].into_iter().fold(0, u64::saturating_add)
    }

    /// What is said of sums that belong to none.
    const fn none(&self) -> &'static str {
        match self.by {
            SpendBy::Customer => "no customer",
            SpendBy::Model => "no model told",
            SpendBy::Key | SpendBy::Application | SpendBy::Day => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn wanted(from: Option<&str>, to: Option<&str>) -> Wanted {
        Wanted { from: from.map(str::to_owned), to: to.map(str::to_owned), ..Wanted::default() }
    }

    #[test]
    fn both_days_that_are_asked_for_are_included() {
        let (from, to) = wanted(Some("2026-02-01"), Some("2026-02-28")).days(NOW).unwrap();
        assert_eq!((from.to_string(), to.to_string()), ("2026-02-01".to_owned(), "2026-03-01".to_owned()));
        let (from, to) = wanted(None, None).days(NOW).unwrap();
        assert_eq!(to.number() - from.number(), 30);
        let broken = wanted(Some("yesterday"), None).days(NOW).unwrap_err();
        assert_eq!(broken.errors()[0].field, "from");
        assert!(wanted(Some("2026-02-02"), Some("2026-02-01")).days(NOW).is_err());
        let too_many = wanted(Some("2025-01-01"), Some("2026-02-01")).days(NOW).unwrap_err();
        assert_eq!(too_many.errors()[0].field, "from");
    }

    #[test]
    fn a_chart_has_every_day() {
        let spend = Spend { requests: 2, cost: NanoUsd::from_nanos(1_500_000_000), ..Spend::default() };
        let sums = [SpendSum { name: Some("2026-02-02".to_owned()), spend }];
        let days = ("2026-02-01".parse().unwrap(), "2026-02-04".parse().unwrap());
        let chart = Chart::of(&sums, days, &spend);
        let series: serde_json::Value = serde_json::from_str(&chart.series).unwrap();
        assert_eq!(series["spent"], serde_json::json!([0.0, 1.5, 0.0]));
        assert_eq!(series["days"][2], "2026-02-03");
        assert_eq!(chart.told, "$1.50 spent from 2026-02-01 to 2026-02-03.");
    }

    #[test]
    fn a_share_is_of_all_and_never_more() {
        let amount = NanoUsd::from_nanos;
        assert_eq!([share(amount(1), amount(4)), share(amount(9), amount(4))], [250, 1_000]);
        assert_eq!([share(amount(-1), amount(4)), share(amount(0), amount(0))], [0, 0]);
    }
}
