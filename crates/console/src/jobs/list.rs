//! The list of background jobs.

use askama::Template;
use axum::extract::State;
use keystile_core::{Job, JobId};
use keystile_manage::{JobQuery, Names};
use keystile_wire::JobListQuery;

use super::bar;
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of};

#[derive(Template)]
#[template(path = "jobs/list.html")]
struct List {
    shell: Shell,
    jobs: Vec<Job>,
    names: Names,
    asked: Asked,
    next: Option<String>,
}

impl List {
    /// Whether anything may soon be otherwise.
    fn moves(&self) -> bool {
        self.jobs.iter().any(|job| !job.state.is_over())
    }

    /// Where this page is.
    fn here(&self) -> String {
        self.asked.with("cursor", self.asked.of("cursor"))
    }

    fn who(&self, job: &Job) -> String {
        let id = job.actor.to_string();
        self.names.of(&id).unwrap_or(&id).to_owned()
    }
}

/// A page of the tenant's jobs.
pub(super) async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<JobListQuery>,
) -> Answer {
    let (which, limit) = page_of::<JobId>(query.limit, query.cursor.as_deref())?;
    let wanted = JobQuery { state: query.state, kind: query.kind, actor: None };
    let found = app.control.jobs(&caller, &wanted, which).await?;
    let listed = listing(found, limit, |job| job.id.to_string(), |job| job);
    let names = app.control.names_in_jobs(&caller, &listed.data).await?;
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, jobs: listed.data, names, asked, next })
}

/// What a job does, in a word.
const fn name(job: &Job) -> &'static str {
    words::job_kind(job.kind).name
}
