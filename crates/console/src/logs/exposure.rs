//! What was done with a key, from where, and what of it is new: the question after a leak.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use http::header::CONTENT_DISPOSITION;
use keystile_core::request_log::Used;
use keystile_core::{ApiKey, Code, KeyId, KeyStatus, LogBreak, LogRequests, Timestamp};
use keystile_manage::{Caller, ExposureReport, Lack, MOST_COUNTED, Refused};
use keystile_wire::ExposureGroups;
use serde::Deserialize;

use super::row::Row;
use super::{Named, named_key};
use crate::audit::{day_of, moment};
use crate::keys::meaning;
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::logs::{Exposed as Told, exposed, exposure_of};
use keystile_web::api::{Answer, json};
use keystile_web::extract::PathId;

/// How far back a report can be asked for with a click: what that is called, and in seconds.
const SPANS: &[(&str, u64)] = &[("24 h", 86_400), ("7 d", 7 * 86_400), ("30 d", 30 * 86_400)];

/// Since when to tell: a moment, or a day for its beginning.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    since: Option<String>,
}

impl Since {
    fn moment(&self) -> Answer<Option<Timestamp>> {
        self.since.as_deref().map(|text| moment("since", text, Duration::ZERO)).transpose()
    }
}

/// How long before the end of a key, or before now, a report begins if no leak was reported.
const A_DAY: Duration = Duration::from_secs(86_400);

#[derive(Template)]
#[template(path = "logs/exposure.html")]
struct Exposed {
    shell: Shell,
    asked: Asked,
    named: Named,
    /// The key as it is now; none of one that is deleted.
    key: Option<ApiKey>,
    report: ExposureReport,
    /// What keeps the report from telling of every request.
    lacks: Vec<String>,
    groups: Vec<Group>,
    rows: Vec<Row>,
    steps: Vec<Step>,
}

/// Requests by something that they have in common.
struct Group {
    name: &'static str,
    /// What one of them is called.
    one: &'static str,
    uses: Vec<Used>,
    /// There are more than are told.
    more: bool,
    /// The field of the list of requests that narrows it to one of them, if it has one.
    field: Option<&'static str>,
}

/// Something that is to be done now.
struct Step {
    what: &'static str,
    why: &'static str,
    /// Where it is done, and what the way there is called.
    way: Option<(&'static str, String)>,
}

/// The report.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    Sought { query, asked }: Sought<Since>,
) -> Answer {
    let Told { report, is_written } = exposed(&app, &caller, id, query.moment()?).await?;
    let names = app.control.names_in_requests(&caller, &report.latest).await?;
    let key = living(&app, &caller, id).await?;
    let lacks = lacks(&report, is_written);
    let named = named_key(&app, (&caller, &shell), id, &names).await?;
    let rows = report.latest.iter().map(|request| Row::new(&shell, request, &names)).collect();
    let steps = steps(&shell, key.as_ref(), id);
    let groups = groups(&report);
    page(&Exposed { shell, asked, named, key, report, lacks, groups, rows, steps })
}

/// The report as a file, as the API has it.
pub(super) async fn export(
    State(app): State<App>,
    Inside { caller, .. }: Inside,
    PathId(id): PathId<KeyId>,
    Sought { query, .. }: Sought<Since>,
) -> Answer {
    let view = exposure_of(&app, &caller, id, query.moment()?).await?;
    let name = format!(r#"attachment; filename="keystile-exposure-{id}.json""#);
    Ok(([(CONTENT_DISPOSITION, name)], json(StatusCode::OK, &view)).into_response())
}

/// The key, unless it is deleted.
async fn living(app: &App, caller: &Caller, id: KeyId) -> Answer<Option<ApiKey>> {
    match app.control.key(caller, id).await {
        Ok(key) => Ok(Some(key)),
        Err(Refused::NotFound(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

/// What keeps the report from telling of every request, each in a sentence.
fn lacks(report: &ExposureReport, is_written: bool) -> Vec<String> {
    let behind = "The latest requests cannot be written to the log now, and are not counted.".to_owned();
    let behind = (!is_written).then_some(behind);
    behind.into_iter().chain(report.lacks.iter().map(sentence)).collect()
}

fn sentence(lack: &Lack) -> String {
    match lack {
        Lack::NotAllLogged(LogRequests::All | LogRequests::Refused) => {
            "The tenant logs only requests that were refused, or went wrong.".to_owned()
        }
        Lack::NotAllLogged(LogRequests::Nothing) => "The tenant logs no requests.".to_owned(),
        Lack::TooOld(days) => {
            format!("The log is kept for {days} days; what was done before is not known any more.")
        }
        Lack::OtherSettings(until) => format!(
            "Until {until} the tenant had fewer requests logged, or kept them for a shorter time; the audit log tells of it."
        ),
        Lack::EndedByForce(LogBreak { since, until }) => format!(
            "Between {since} and {until} Keystile was ended by force. Requests that it had not written yet are missing."
        ),
        Lack::Missing(count) => {
            let count = parts::number(*count);
            format!(
                "Requests of the tenant could not be logged at that time: {count}. Some may have been made with this key."
            )
        }
        Lack::TooMany => {
            let most = parts::number(u64::from(MOST_COUNTED));
            format!("There are more than {most} requests, of which the first {most} are counted.")
        }
    }
}

fn groups(report: &ExposureReport) -> Vec<Group> {
    let [addresses, user_agents, paths] = report.exposure.groups(&report.before, ExposureGroups::MOST);
    let group = |name, one, field, (uses, more): (Vec<Used>, bool)| Group { name, one, uses, more, field };
    vec![
        group("By address", "Address", Some("ip"), addresses),
        group("By user agent", "User agent", None, user_agents),
        group("By path", "Path", Some("path"), paths),
    ]
}

/// What is to be done, by what has become of the key.
fn steps(shell: &Shell, key: Option<&ApiKey>, id: KeyId) -> Vec<Step> {
    let step = |what, why, way: Option<(&'static str, String)>| Step { what, why, way };
    let deed =
        |name, word: &str| shell.may_manage_keys().then(|| (name, shell.path(&format!("keys/{id}/{word}"))));
    let is_stopped = |key: &ApiKey| key.blocked.is_some() || key.status(shell.now) == KeyStatus::Inactive;
    let first = match key.map(|key| (key.status(shell.now), is_stopped(key))) {
        None | Some((KeyStatus::Revoked | KeyStatus::Expired, _)) => {
            vec![step(
                "The key opens nothing any more",
                "Requests with it are refused. What was done before stays done: look at what is new below.",
                None,
            )]
        }
        Some((KeyStatus::Active | KeyStatus::Inactive, true)) => {
            vec![step(
                "Give its users another secret, then revoke it",
                "It is stopped for now, so that whoever needs it is, too.",
                deed("Revoke the key", "revoke"),
            )]
        }
        Some((KeyStatus::Active | KeyStatus::Inactive, false)) => {
            vec![
                step(
                    "Revoke the key",
                    "Whoever has found the secret can use it now. If an outage costs more than that, rotate it with a short overlap.",
                    deed("Revoke the key", "revoke"),
                ),
                step(
                    "Give its users a new one",
                    "A successor has the same name, permissions and limits, and a secret of its own.",
                    deed("Rotate the key", "rotate"),
                ),
            ]
        }
    };
    let always = [
        step(
            "See what it has changed in Keystile",
            "A key that issues keys may have made others. The audit log tells each change that was made with it.",
            Some(("In the audit log", shell.path(&format!("audit?actor={id}")))),
        ),
        step(
            "Keep what you need",
            "The log is removed after the days that the tenant keeps it. Take this report, and the requests, as files.",
            None,
        ),
    ];
    first.into_iter().chain(always).collect()
}

impl Exposed {
    fn is_complete(&self) -> bool {
        self.lacks.is_empty()
    }

    fn allowed(&self) -> u64 {
        self.report.exposure.codes.get(Code::Allowed.as_str()).copied().unwrap_or(0)
    }

    fn refused(&self) -> u64 {
        self.report.exposure.total() - self.allowed()
    }

    /// Refusals by code, with their meaning.
    fn refusals(&self) -> Vec<(&str, &'static str, u64)> {
        let codes = self.report.exposure.codes.iter().filter(|(code, _)| *code != Code::Allowed.as_str());
        codes.map(|(code, count)| (code.as_str(), meaning(code), *count)).collect()
    }

    /// How many addresses, user agents and paths are new.
    fn news(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.uses).filter(|used| used.is_new).count()
    }

    /// All requests of the report.
    fn log_path(&self) -> String {
        self.shell.path(&format!("logs?key_id={}&from={}", self.named.id, self.report.since))
    }

    /// Those of them that have something in common.
    fn requests_of(&self, group: &Group, used: &Used) -> Option<String> {
        let (field, value) = (group.field?, used.name.as_deref()?);
        let narrowed = Asked::default().with_all(&[
            ("key_id", &self.named.id),
            ("from", &self.report.since.to_string()),
            (field, value),
        ]);
        Some(self.shell.path("logs") + &narrowed)
    }

    /// Why it begins where it does, if nobody said since when.
    fn why_since(&self) -> Option<&'static str> {
        if !self.asked.of("since").is_empty() {
            return None;
        }
        let key = self.key.as_ref()?;
        let revoked_at = key.revoked.as_ref().map(|end| end.at);
        let is_a_day_before = |at: Timestamp| self.report.since == at.minus(A_DAY);
        Some(match revoked_at {
            Some(at) if is_a_day_before(at) => {
                "It begins a day before the key was revoked, as no leak was reported."
            }
            None if is_a_day_before(self.report.until) => "It begins a day ago, as no leak was reported.",
            Some(_) | None => "It begins when the key was first reported as leaked.",
        })
    }

    /// The path of the report since so many seconds ago.
    fn since(&self, seconds: impl parts::Shown<u64>) -> String {
        let since = self.shell.now.minus(Duration::from_secs(seconds.shown()));
        self.asked.with("since", &since.to_string())
    }

    /// The report on what comes behind what is counted.
    fn since_counted(&self) -> Option<String> {
        Some(self.asked.with("since", &self.report.counted_to?.to_string()))
    }

    /// The report since the key was made.
    fn since_made(&self) -> Option<String> {
        Some(self.asked.with("since", &self.key.as_ref()?.created_at.to_string()))
    }

    /// The report as a file.
    fn export_path(&self) -> String {
        let of_key = self.shell.path(&format!("keys/{}/exposure/export", self.named.id));
        of_key + &self.asked.with("since", &self.report.since.to_string())
    }
}

/// What a group has in common, or that it is not known.
fn value_of(used: &Used) -> &str {
    used.name.as_deref().unwrap_or("not known")
}
