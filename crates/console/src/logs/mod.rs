//! The request log: what was asked, with which key and from where, and what was answered; as it grows, and as a file.

mod exposure;
mod order;
mod row;
mod show;
mod stream;

use std::net::IpAddr;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use keystile_core::{
    ApplicationId, Code, CustomerId, Environment, Invalid, KeyId, LogExportFormat, LogFace, LogFilter, LogId,
    LogRequests, LogResult, LoggedRequest,
};
use keystile_manage::{Caller, Names, Refused, Right};
use keystile_store::LogPage;
use keystile_wire::LogStreamQuery;
use serde::Deserialize;

use self::order::{Item, in_order};
use self::row::Row;
use super::audit::{DAY, day_of, moment};
use super::keys::{Archived, Choices, applications, meaning};
use super::page::{go_to, page};
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get};
use super::visitor::Inside;
use super::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{Answer, page_size};

/// Classes of statuses.
const CLASSES: &[&str] = &["2xx", "3xx", "4xx", "5xx"];
/// Filters that stand behind "More filters".
const FURTHER: &[&str] = &["face", "status", "application_id", "customer_id", "key_id", "ip"];
/// What the field for what was asked has when everything is wanted. Without it pages and forms of the console are left out: whoever looks
/// at the log would see little but their own looking.
const ANYTHING: &str = "all";
/// Requests that stand on the page of the log as it grows before it does.
const BEFORE: u32 = 50;

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/logs", get(list))
        .route("/logs/export", get(export))
        .route("/logs/live", get(live))
        .route("/logs/stream", get(stream::watch))
        .route("/logs/{log_id}", get(show::show))
        .route("/keys/{api_key_id}/exposure", get(exposure::show))
        .route("/keys/{api_key_id}/exposure/export", get(exposure::export))
}

/// Which requests to show: as the API has it, but what came of them is one field, and so is what was asked, and a day may stand for
/// its beginning, or its end. Pages, files and the stream take the same query, as each leads to the others; what means nothing to one of them is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<u16>,
    cursor: Option<LogId>,
    /// The request behind which the stream begins.
    after: Option<LogId>,
    format: Option<LogExportFormat>,
    /// `allowed`, `refused`, or a code.
    result: Option<String>,
    key_id: Option<KeyId>,
    application_id: Option<ApplicationId>,
    customer_id: Option<CustomerId>,
    environment: Option<Environment>,
    /// What was asked, or [`ANYTHING`].
    face: Option<String>,
    status: Option<String>,
    path: Option<String>,
    ip: Option<IpAddr>,
    from: Option<String>,
    to: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Answer<LogFilter> {
        let (face, except_face) = self.faces()?;
        let result = self.result.as_deref().and_then(|text| text.parse::<LogResult>().ok());
        let from = self.from.as_deref().map(|text| moment("from", text, Duration::ZERO));
        let to = self.to.as_deref().map(|text| moment("to", text, DAY));
        let query = LogStreamQuery {
            key_id: self.key_id,
            application_id: self.application_id,
            customer_id: self.customer_id,
            environment: self.environment,
            face,
            except_face,
            result,
            code: if result.is_none() { self.result.clone() } else { None },
            status: self.status.clone(),
            path: self.path.clone(),
            ip: self.ip,
            from: from.transpose()?,
            to: to.transpose()?,
        };
        Ok(query.filter()?)
    }

    /// The one that is wanted, and the one that is not.
    fn faces(&self) -> Answer<(Option<LogFace>, Option<LogFace>)> {
        Ok(match self.face.as_deref() {
            // No key opens the console, so nothing is to be left out of what was asked with one.
            None => (None, self.key_id.is_none().then_some(LogFace::Console)),
            Some(ANYTHING) => (None, None),
            Some(face) => (Some(face.parse::<LogFace>().map_err(|broken: Invalid| broken.at("face"))?), None),
        })
    }
}

/// What a part of the log looks like, and what is to be known of it.
struct Look {
    items: Vec<Item>,
    asked: Asked,
    /// The latest requests cannot be written now.
    is_behind: bool,
    /// Where requests are kept, if they cannot be read here.
    elsewhere: Option<String>,
    /// Which requests the tenant has logged, and for how many days.
    logged: LogRequests,
    days: u16,
    /// The key that the list is narrowed to.
    key: Option<Named>,
    applications: Choices,
}

/// A part of the log as it was read.
struct Part {
    requests: Vec<LoggedRequest>,
    next: Option<LogId>,
}

/// Which part of the log.
struct Which {
    filter: LogFilter,
    after: Option<LogId>,
    limit: u32,
}

impl Look {
    /// Looks at the log.
    async fn at(
        app: &App,
        (caller, shell): (&Caller, &Shell),
        which: Which,
        asked: Asked,
    ) -> Answer<(Self, Part)> {
        caller.require(Right::ReadLogs)?;
        let is_behind = app.requests.flush().await.is_err();
        let Which { filter, after, limit } = which;
        let (from, to, key_id) = (filter.from, filter.to, filter.key_id);
        let elsewhere = app.control.log_elsewhere().map(str::to_owned);
        let LogPage { requests, next } = match &elsewhere {
            Some(_) => LogPage { requests: Vec::new(), next: None },
            None => app.control.logged_requests(caller, filter, after, limit).await?,
        };
        let (lower, upper) = (next.map(LogId::made_at).or(from), after.map(LogId::made_at).or(to));
        let gaps = app.control.log_gaps(caller, lower, upper).await?;
        let names = app.control.names_in_requests(caller, &requests).await?;
        let rows = requests.iter().map(|request| Row::new(shell, request, &names)).collect();
        let settings = app.control.tenant(caller).await?.settings;
        let look = Self {
            items: in_order(rows, &gaps),
            asked,
            is_behind,
            elsewhere,
            logged: settings.log_requests,
            days: settings.log_days,
            key: match key_id {
                Some(id) => Some(named_key(app, (caller, shell), id, &names).await?),
                None => None,
            },
            applications: applications(app, caller, Archived::Shown).await?,
        };
        Ok((look, Part { requests, next }))
    }

    fn further_filters(&self) -> usize {
        FURTHER.iter().filter(|name| !self.asked.of(name).is_empty()).count()
    }

    /// What the list is narrowed to, if it stands in none of the choices: a code of the API.
    fn other_result(&self) -> Option<&str> {
        let asked = self.asked.of("result");
        let is_known = asked.parse::<LogResult>().is_ok() || asked.parse::<Code>().is_ok();
        (!asked.is_empty() && !is_known).then_some(asked)
    }

    /// Whether the list is narrowed to one status, and not to a class of them.
    fn is_one_status(&self) -> bool {
        let asked = self.asked.of("status");
        !asked.is_empty() && !CLASSES.contains(&asked)
    }

    /// The same with what was asked of the console, which is left out unless it is asked for.
    fn with_console(&self) -> Option<String> {
        let is_left_out = self.asked.of("face").is_empty() && self.asked.of("key_id").is_empty();
        is_left_out.then(|| self.asked.with("face", ANYTHING))
    }

    /// The same requests as a file.
    fn export(&self, format: &str) -> String {
        self.asked.with("format", format)
    }

    /// The same filters, for another page.
    fn filters(&self) -> String {
        self.asked.with("cursor", "")
    }
}

/// Something that a page names, and where its own page is.
struct Named {
    id: String,
    name: String,
    path: String,
}

impl Named {
    fn new(shell: &Shell, section: &str, id: String, names: &Names) -> Self {
        let name = names.of(&id).unwrap_or(&id).to_owned();
        Self { name, path: shell.path(&format!("{section}/{id}")), id }
    }
}

/// A key by what it is called now; by its id if nobody knows.
async fn named_key(app: &App, (caller, shell): (&Caller, &Shell), id: KeyId, names: &Names) -> Answer<Named> {
    let named = Named::new(shell, "keys", id.to_string(), names);
    if names.of(&named.id).is_some() {
        return Ok(named);
    }
    match app.control.key(caller, id).await {
        Ok(key) => Ok(Named { name: key.name.to_string(), ..named }),
        Err(Refused::NotFound(_)) => Ok(named),
        Err(other) => Err(other.into()),
    }
}

/// The codes of decisions that can be looked for, and what each means.
fn refusals() -> impl Iterator<Item = (&'static str, &'static str)> {
    let codes = Code::ALL.iter().filter(|code| **code != Code::Allowed);
    codes.map(|code| (code.as_str(), meaning(code.as_str())))
}

#[derive(Template)]
#[template(path = "logs/list.html")]
struct List {
    shell: Shell,
    look: Look,
    next: Option<String>,
    /// Only some requests were looked at yet, among which are fewer than a page has.
    is_part: bool,
}

/// A page of the log.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<Wanted>,
) -> Answer {
    let limit = page_size(query.limit)?;
    if app.control.log_elsewhere().is_some() {
        caller.require(Right::ReadLogs)?;
        return go_to(&(shell.path("logs/live") + &asked.with("cursor", "")), shell.surroundings);
    }
    let which = Which { filter: query.filter()?, after: query.cursor, limit: limit.into() };
    let (look, part) = Look::at(&app, (&caller, &shell), which, asked).await?;
    let is_part = part.next.is_some() && part.requests.len() < usize::from(limit);
    let next = part.next.map(|id| look.asked.with("cursor", &id.to_string()));
    page(&List { shell, look, next, is_part })
}

impl List {
    /// Where the form of filters leads.
    fn form_path(&self) -> String {
        self.shell.path("logs")
    }
}

#[derive(Template)]
#[template(path = "logs/live.html")]
struct Live {
    shell: Shell,
    look: Look,
    /// Where what comes next is told.
    stream: String,
}

/// The page on which the log grows.
async fn live(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<Wanted>,
) -> Answer {
    let which = Which { filter: query.filter()?, after: None, limit: BEFORE };
    let (look, part) = Look::at(&app, (&caller, &shell), which, asked).await?;
    let latest = part.requests.first().map(|request| request.id);
    let after = latest.unwrap_or_else(|| LogId::from_parts(shell.now, 0));
    let stream = shell.path("logs/stream") + &look.asked.with("after", &after.to_string());
    page(&Live { shell, look, stream })
}

impl Live {
    fn form_path(&self) -> String {
        self.shell.path("logs/live")
    }

    /// A row for scripts to fill.
    fn pattern(&self) -> Row {
        Row::empty()
    }
}

/// The log as a file.
async fn export(
    State(app): State<App>,
    Inside { caller, .. }: Inside,
    Sought { query, .. }: Sought<Wanted>,
) -> Answer {
    let format = query.format.unwrap_or(LogExportFormat::Ndjson);
    keystile_web::api::logs::export(&app, &caller, query.filter()?, format).await
}
