//! Asking for a job on all keys that a filter finds: it says how many there are, and what will happen.

use askama::Template;
use axum::extract::State;
use keystile_core::{Invalid, JobKind};
use keystile_manage::{Caller, JobOrder, KeyQuery, Right};
use keystile_wire::{KeyListQuery, RevokeKey, RotateKey};
use serde::Deserialize;

use super::conditions::{Condition, conditions};
use crate::form::{Fields, Wrong};
use crate::once::{FormName, MakingForm, once};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::sought::Sought;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::api::keys::filter;
use keystile_web::body::parse_fields;
use keystile_web::extract::Query;
use keystile_web::problem::ApiProblem;

/// How long rotated keys live on, in seconds.
const OVERLAPS: &[(&str, &str)] =
    &[("0", "not at all"), ("86400", "for a day"), ("604800", "for a week"), ("2592000", "for 30 days")];

/// What the job is to do; beside it stands the filter of the keys.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Act {
    act: Option<JobKind>,
}

#[derive(Template)]
#[template(path = "jobs/new.html")]
struct Ask {
    shell: Shell,
    kind: JobKind,
    /// The query of the list that shows the keys.
    filter: String,
    /// What it demands of them.
    conditions: Vec<Condition>,
    total: u64,
    reason: String,
    overlap: String,
    name: FormName,
    wrong: Wrong,
}

impl Ask {
    async fn new(
        app: &App,
        (caller, shell): (&Caller, Shell),
        kind: JobKind,
        filter: String,
    ) -> Answer<Self> {
        caller.require(needed(kind)?)?;
        let query = sought(app, caller, &filter).await?;
        let conditions = conditions(app, caller, &filter).await;
        let (total, name) = (app.control.count_keys(caller, &query).await?, FormName::new(app)?);
        let (reason, overlap) = (String::new(), "86400".to_owned());
        Ok(Self { shell, kind, filter, conditions, total, reason, overlap, name, wrong: Wrong::default() })
    }

    fn rest(&self) -> Option<String> {
        self.wrong.rest(&["reason", "typed", "overlap_seconds"])
    }

    /// Whether keys are changed, so that the number has to be typed.
    fn changes(&self) -> bool {
        self.kind != JobKind::Export
    }

    const fn verb(&self) -> &'static str {
        words::job_kind(self.kind).name
    }

    fn is_rotation(&self) -> bool {
        self.kind == JobKind::Rotate
    }

    fn is_revocation(&self) -> bool {
        self.kind == JobKind::Revoke
    }

    /// Whether it makes keys useless, for now or for ever.
    const fn takes_away(&self) -> bool {
        matches!(self.kind, JobKind::Revoke | JobKind::Disable)
    }

    const fn consequence(&self) -> &'static str {
        match self.kind {
            JobKind::Import => "",
            JobKind::Export => {
                "They are written down as they are, without their secrets. The file is kept for seven days."
            }
            JobKind::Revoke => {
                "This is final: each key is refused everywhere and for good as soon as its turn has come. Their history stays."
            }
            JobKind::Disable => "Each key is refused until it is enabled again. Nothing else changes.",
            JobKind::Enable => {
                "Each key works again, with the same secret, permissions and limits as before."
            }
            JobKind::Rotate => {
                "Each key gets a successor. You can take the new secrets once, within 24 hours; nobody else can."
            }
        }
    }
}

/// What asking for a job takes. Imports are not asked for here.
fn needed(kind: JobKind) -> Answer<Right> {
    match kind {
        JobKind::Export => Ok(Right::ReadKeys),
        JobKind::Revoke | JobKind::Disable | JobKind::Enable | JobKind::Rotate => Ok(Right::ManageKeys),
        JobKind::Import => Err(Invalid::new("act", "is for the API and the command line").into()),
    }
}

/// Says what will happen.
pub(super) async fn form(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Query(Act { act }): Query<Act>,
    Sought { query: _, asked }: Sought<KeyListQuery>,
) -> Answer {
    let kind = act.unwrap_or(JobKind::Export);
    page(&Ask::new(&app, (&caller, shell), kind, asked.written()).await?)
}

/// Asks for it.
pub(super) async fn make(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    let kind = fields.text("act").parse::<JobKind>().map_err(|invalid| invalid.at("act"))?;
    let (filter, asker) = (fields.text("filter").to_owned(), caller.asker(needed(kind)?)?);
    let query = sought(&app, &caller, &filter).await?;
    let ask = Ask::new(&app, (&caller, shell), kind, filter).await?;
    let made = match ordered(kind, query, &fields) {
        Ok((order, expected)) => {
            let work = move |app: App| async move {
                let job = app.control.make_job(&caller, order, expected).await?;
                Ok::<_, ApiProblem>(job.id.to_string())
            };
            once(&app, asker, asked, String::clone, work).await
        }
        Err(invalid) => Err(invalid.into()),
    };
    match made {
        Ok(sent) => go_to(&ask.shell.path(&format!("jobs/{}", sent.made())), ask.shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            let reason = fields.text("reason").to_owned();
            let overlap = fields.text("overlap_seconds").to_owned();
            unprocessable(&Ask { reason, overlap, wrong, ..ask })
        }
    }
}

/// The keys that a query of the list finds.
async fn sought(app: &App, caller: &Caller, query: &str) -> Answer<KeyQuery> {
    let query: KeyListQuery = parse_fields(query.as_bytes())?;
    filter(query, app.control.present(), app.control.rotation_days(caller).await?)
}

/// What is to be done, and to how many keys.
fn ordered(kind: JobKind, query: KeyQuery, fields: &Fields) -> Result<(JobOrder, Option<u64>), Invalid> {
    let expected = fields.text("expected");
    if kind != JobKind::Export && fields.text("typed") != expected {
        return Err(Invalid::new("typed", format!("type {expected} to go on")));
    }
    let expected = expected.parse().map_err(|_| Invalid::new("expected", "must be a number of keys"))?;
    let order = match kind {
        JobKind::Export => return Ok((JobOrder::Export(query), None)),
        JobKind::Revoke => {
            let reason = RevokeKey { reason: fields.filled("reason") }.parse()?;
            JobOrder::Revoke { query, reason }
        }
        JobKind::Disable => JobOrder::Disable(query),
        JobKind::Enable => JobOrder::Enable(query),
        JobKind::Rotate => {
            let seconds = fields.text("overlap_seconds").parse();
            let seconds = seconds.map_err(|_| Invalid::new("overlap_seconds", "must be one of these"))?;
            let overlap = RotateKey { overlap_seconds: seconds, secret: None }.overlap()?;
            JobOrder::Rotate { query, overlap }
        }
        JobKind::Import => return Err(Invalid::new("act", "is for the API and the command line")),
    };
    Ok((order, Some(expected)))
}
