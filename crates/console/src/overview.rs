//! What a tenant has at a glance: its keys, its traffic, and what somebody should look at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::event::{IngestPosture, Outcome};
use keystile_core::overview::{NearBudget, Overview, StatusCounts};
use keystile_core::{Environment, KeyId, KeyStatus, Timestamp};
use keystile_manage::Caller;
use keystile_wire::{EventCountsView, IngestQuery, TenantUsageQuery};
use serde::Deserialize;

use super::chart::{Chart, RANGES, Range, frequent_first};
use super::keys::{meaning, period_name};
use super::page::page;
use super::shell::Shell;
use super::visitor::Inside;
use super::{assets, money, parts, sources, words};
use keystile_web::App;
use keystile_web::api::usage::of_tenant;
use keystile_web::api::{Answer, ingest};
use keystile_web::extract::Query;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Choice {
    #[serde(default)]
    range: String,
    /// Of the events; production unless it is another.
    #[serde(default)]
    environment: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    shell: Shell,
    overview: Arc<Overview>,
    /// The figures are of long ago, and those of now are not counted yet.
    is_old: bool,
    chart: Chart,
    range: Range,
    attention: Vec<Concern>,
    /// The first of those that are near their end.
    budgets: Vec<Budget>,
    tables: Vec<Table>,
    /// What the environment is called in the query.
    environment: &'static str,
    events: Chart,
    sources: Vec<sources::Row>,
    has_more_sources: bool,
    /// What became of the events of the last hour and day, in a sentence.
    lately: String,
    /// Requests with keys of the environment that were refused in the last day, by code.
    attempts: Vec<(&'static str, u64)>,
}

/// Something that somebody should look at, and where they see it.
struct Concern {
    tone: &'static str,
    count: u64,
    what: &'static str,
    why: &'static str,
    /// A list, narrowed to them, in the order in which they are found first.
    path: &'static str,
}

/// A budget that is near its end.
struct Budget {
    key_id: KeyId,
    name: String,
    percent: u64,
    spent: String,
    max: String,
    period: &'static str,
}

/// Keys by one of their properties.
struct Table {
    name: &'static str,
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    query: String,
    /// Those that have the status, or of the others the active ones.
    count: u64,
    /// Of so many, if that is more.
    of: Option<u64>,
}

/// The first page of a tenant.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Query(choice): Query<Choice>,
) -> Answer {
    let range = Range::named(&choice.range);
    let from = shell.now.minus(Duration::from_secs(range.seconds));
    let query = TenantUsageQuery { from: Some(from), step: Some(range.step), ..TenantUsageQuery::default() };
    let chart = Chart::of(&of_tenant(&app, &caller, &query).await?);
    // A script that asks can wait for figures, as it shows what there is meanwhile.
    let (overview, is_old) = if shell.is_page() {
        app.control.overview_at_once(&caller).await?
    } else {
        (app.control.overview(&caller).await?, false)
    };
    let live_leaks = app.control.live_leaks(&caller).await?;
    let (attention, tables) = (concerns(&overview, live_leaks), tables(&overview));
    let environment: Environment = choice.environment.parse().unwrap_or(Environment::Production);
    let events = events(&app, &caller, environment, &range, from).await?;
    let posture = ingest::posture(&app, &caller, environment).await?;
    let attempts = posture.refused_attempts.iter().map(|(code, count)| (code.as_str(), *count));
    page(&OverviewPage {
        is_old,
        chart,
        range,
        attention,
        budgets: overview.budgets.first.iter().map(budget).collect(),
        tables,
        environment: words::shown_environment(environment),
        events,
        sources: sources::rows(&shell, &posture.sources),
        has_more_sources: posture.has_more_sources,
        lately: lately(&posture),
        attempts: frequent_first(attempts),
        overview,
        shell,
    })
}

/// The events of the environment in that time.
async fn events(
    app: &App,
    caller: &Caller,
    environment: Environment,
    range: &Range,
    from: Timestamp,
) -> Answer<Chart> {
    let query = IngestQuery {
        from: Some(from),
        step: Some(range.step),
        environment: Some(environment),
        ..IngestQuery::default()
    };
    Ok(Chart::of_events(&ingest::counted(app, caller, &query).await?))
}

/// The path of this page with another range, or the events of another environment.
fn link(range: &str, environment: &str) -> String {
    if environment.is_empty() {
        return format!("?range={range}");
    }
    format!("?range={range}&environment={environment}")
}

/// What became of events lately.
fn lately(posture: &IngestPosture) -> String {
    let told = |counts: &BTreeMap<Outcome, u64>| {
        let counts = EventCountsView::from(counts.clone());
        format!("{} accepted, {} refused", parts::number(counts.accepted), parts::number(counts.refused))
    };
    let (hour, day) = (told(&posture.last_hour), told(&posture.last_day));
    format!("In the last hour: {hour}. In the last 24 hours: {day}.")
}

fn concerns(overview: &Overview, live_leaks: u64) -> Vec<Concern> {
    let seen = &overview.keys.attention;
    let concern = |tone, count, what, why, path| Concern { tone, count, what, why, path };
    let all = [
        concern(
            "bad",
            live_leaks,
            "Leaked, and still good",
            "Somebody has seen their secrets where they do not belong, and whoever did can use them.",
            "leaks",
        ),
        concern(
            "bad",
            seen.expiring_in_7_days,
            "Expiring within 7 days",
            "Whoever uses them is refused from that moment on. Rotate them, or extend their time.",
            "keys?expires_within_days=7&status=active&sort=expires",
        ),
        concern(
            "warn",
            later(seen.expiring_in_7_days, seen.expiring_in_30_days),
            "Expiring within 30 days",
            "There is time to plan their rotation.",
            "keys?expires_within_days=30&status=active&sort=expires",
        ),
        concern(
            "warn",
            seen.rotation_due,
            "Due for rotation",
            "Their secret is older than this tenant lets secrets grow.",
            "keys?rotation_due=true&status=active&order=asc",
        ),
        concern(
            "warn",
            seen.unused_for_90_days,
            "Unused for 90 days",
            "A key that nobody needs is a risk for nothing. Disable it, and see whether anybody asks.",
            "keys?unused_days=90&status=active&sort=last_used&order=asc",
        ),
        concern(
            "warn",
            overview.budgets.count,
            "Near the end of their budget",
            "80 % or more of it are spent in its present period. What needs more than is left is refused.",
            "llm-keys",
        ),
        concern(
            "info",
            seen.blocked,
            "Blocked",
            "Somebody had a reason, which each of them tells.",
            "keys?blocked=true&status=active",
        ),
    ];
    all.into_iter().filter(|concern| concern.count > 0).collect()
}

/// How many there are within the longer time; nothing when the shorter one has all of them, which are told already.
const fn later(sooner: u64, all: u64) -> u64 {
    if all > sooner { all } else { 0 }
}

fn budget(near: &NearBudget) -> Budget {
    Budget {
        key_id: near.key_id,
        name: near.name.to_string(),
        percent: near.percent(),
        spent: money::rounded(near.spent),
        max: money::rounded(near.budget.max),
        period: period_name(near.budget.period.as_str()),
    }
}

fn tables(overview: &Overview) -> Vec<Table> {
    let keys = &overview.keys;
    let table = |name, rows: Vec<Row>| Table { name, rows };
    let mut counts = keys.by_status;
    let statuses = KeyStatus::ALL.iter().map(|status| {
        let (name, query) = (words::status(*status), format!("?status={}", status.as_str()));
        Row { name, query, count: *counts.of(*status), of: None }
    });
    let environments = keys
        .by_environment
        .iter()
        .map(|(key, counts)| row(words::environment(*key).name, format!("?environment={key}"), counts));
    let levels = keys
        .by_trust_level
        .iter()
        .map(|(key, counts)| row(words::trust(*key).name, format!("?trust_level={key}"), counts));
    let kinds =
        keys.by_kind.iter().map(|(key, counts)| row(words::kind(key).name, format!("?kind={key}"), counts));
    vec![
        table("By status", statuses.collect()),
        table("By environment", environments.collect()),
        table("By trust level", levels.collect()),
        table("By kind", kinds.collect()),
    ]
}

fn row(name: &'static str, query: String, counts: &StatusCounts) -> Row {
    let (count, all) = (counts.active, counts.total());
    Row { name, query, count, of: (all > count).then_some(all) }
}
