//! The page of a background job, and what can be done there.

use askama::Template;
use axum::extract::State;
use keystile_core::{Job, JobId, JobKind, JobState};
use keystile_manage::{MadeSecret, Right};
use keystile_wire::JobResultQuery;

use super::bar;
use crate::form::Form;
use crate::page::{go_to, page, page_with_secret};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{Answer, jobs};
use keystile_web::extract::{PathId, Query};

#[derive(Template)]
#[template(path = "jobs/show.html")]
struct Show {
    shell: Shell,
    job: Job,
    who: String,
    /// What it does, exactly.
    parameters: String,
    /// Whether whoever looks has asked for it.
    is_own: bool,
}

impl Show {
    const fn title(&self) -> &'static str {
        words::job_kind(self.job.kind).name
    }

    const fn purpose(&self) -> &'static str {
        words::job_kind(self.job.kind).what
    }

    fn is_export(&self) -> bool {
        self.job.kind == JobKind::Export
    }

    /// How many refusals are counted and not told.
    const fn further_problems(&self) -> u64 {
        self.job.failed.saturating_sub(self.job.problems.len() as u64)
    }

    fn may_change(&self) -> bool {
        (self.is_own && self.is_export()) || self.shell.may_manage_keys()
    }

    fn can_be_cancelled(&self) -> bool {
        self.may_change() && !self.job.state.is_over() && self.job.state != JobState::Cancelling
    }

    fn can_be_retried(&self) -> bool {
        let is_kept = self.job.kept_until.is_some_and(|until| until > self.shell.now);
        self.may_change() && self.job.state == JobState::Failed && is_kept
    }

    /// Whether there is a file to download.
    fn has_file(&self) -> bool {
        let holds_secrets = self.job.kind == JobKind::Rotate;
        self.job.state.is_over() && self.job.result_bytes > 0 && !holds_secrets
    }

    fn has_secrets(&self) -> bool {
        self.job.kind == JobKind::Rotate && self.job.state.is_over() && self.job.result_bytes > 0
    }
}

/// The page of a job.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<JobId>,
) -> Answer {
    let job = app.control.job(&caller, id).await?;
    let names = app.control.names_in_jobs(&caller, std::slice::from_ref(&job)).await?;
    let actor = job.actor.to_string();
    let who = names.of(&actor).unwrap_or(&actor).to_owned();
    let parameters = serde_json::to_string_pretty(&meant(&job)).unwrap_or_default();
    let is_own = job.actor == caller.actor();
    page(&Show { shell, job, who, parameters, is_own })
}

/// What a job does, without what does not matter to it.
fn meant(job: &Job) -> serde_json::Value {
    let mut parameters = job.parameters.clone();
    if let Some(filter) = parameters.get_mut("filter").and_then(serde_json::Value::as_object_mut) {
        filter.retain(|name, value| !value.is_null() && !["now", "inactive_as"].contains(&name.as_str()));
    }
    parameters
}

/// Ends it.
pub(super) async fn cancel(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<JobId>,
    Form(_): Form,
) -> Answer {
    app.control.cancel_job(&caller, id).await?;
    go_to(&shell.path(&format!("jobs/{id}?told=job-cancelled")), shell.surroundings)
}

/// Lets it go on.
pub(super) async fn retry(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<JobId>,
    Form(_): Form,
) -> Answer {
    app.control.retry_job(&caller, id).await?;
    go_to(&shell.path(&format!("jobs/{id}?told=job-retried")), shell.surroundings)
}

/// The file that it has come to.
pub(super) async fn result(
    State(app): State<App>,
    Inside { caller, .. }: Inside,
    PathId(id): PathId<JobId>,
    Query(query): Query<JobResultQuery>,
) -> Answer {
    jobs::download(&app, &caller, id, query.parse()?).await
}

#[derive(Template)]
#[template(path = "jobs/secrets.html")]
struct Secrets {
    shell: Shell,
    id: JobId,
    secrets: Vec<MadeSecret>,
}

impl Secrets {
    const fn count(&self) -> u64 {
        self.secrets.len() as u64
    }
}

/// Gives the secrets that it has made, once.
pub(super) async fn secrets(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<JobId>,
    Form(_): Form,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let secrets = app.control.take_job_secrets(&caller, id).await?;
    page_with_secret(&Secrets { shell, id, secrets })
}
