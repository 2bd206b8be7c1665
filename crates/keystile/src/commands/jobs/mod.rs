//! `keystile jobs`: work on many keys in the background.

mod import;
mod result;
mod start;
mod told;
mod wait;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, JobId, JobKind, JobState};
use keystile_wire::JobListQuery;

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::words::{job_kind, job_state};
use crate::failure::Failure;

/// Works on many keys in the background, and shows what became of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile jobs revoke --customer cus_01J8Z3V5N0QK7Y2M4T6B8D9FGH --reason left --wait
  keystile jobs disable --unused-days 90
  keystile jobs rotate --rotation-due --overlap 7d --wait
  keystile jobs export --status active --wait
  keystile jobs list --state running
  keystile jobs result job_01J8Z3V5N0QK7Y2M4T6B8D9FGH --format csv --output keys.csv

A job goes on when the command ends, also when it is interrupted.
Exit status with --wait: 0 all was done, 1 something was not, 2 it could not
be asked for or waited for.")]
pub(crate) struct JobsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
    Cancel(Cancel),
    Retry(Retry),
    Wait(wait::Wait),
    Result(result::Download),
    Secrets(result::Secrets),
    Revoke(start::Revoke),
    Disable(start::Disable),
    Enable(start::Enable),
    Rotate(start::Rotate),
    Export(start::Export),
    Import(import::Import),
}

/// Lists jobs, newest first.
#[derive(Debug, Args)]
struct List {
    /// Only jobs that stand there.
    #[arg(long, value_parser = job_state())]
    state: Option<JobState>,
    /// Only jobs that do this.
    #[arg(long, value_parser = job_kind())]
    kind: Option<JobKind>,
    #[command(flatten)]
    pages: Pages,
}

/// Which job.
#[derive(Debug, Args)]
struct Which {
    /// Its id, as `keystile jobs list` shows it.
    #[arg(value_name = "JOB_ID")]
    id: JobId,
}

/// Shows one job, with how far it has come.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    which: Which,
}

/// Ends a job when the step at hand is done. What was done stays.
#[derive(Debug, Args)]
struct Cancel {
    #[command(flatten)]
    which: Which,
}

/// Lets a job go on that has failed, from where it stopped.
#[derive(Debug, Args)]
struct Retry {
    #[command(flatten)]
    which: Which,
}

/// Runs `keystile jobs …`.
pub(crate) async fn run(command: JobsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Cancel(cancel) => cancel.run(&context).await,
        Action::Retry(retry) => retry.run(&context).await,
        Action::Wait(wait) => wait.run(&context).await,
        Action::Result(download) => download.run(&context).await,
        Action::Secrets(secrets) => secrets.run(&context).await,
        Action::Revoke(revoke) => revoke.run(&context).await,
        Action::Disable(disable) => disable.run(&context).await,
        Action::Enable(enable) => enable.run(&context).await,
        Action::Rotate(rotate) => rotate.run(&context).await,
        Action::Export(export) => export.run(&context).await,
        Action::Import(import) => import.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let (state, kind) = (self.state, self.kind);
        let page =
            async |limit, cursor| client.jobs(tenant, &JobListQuery { limit, cursor, state, kind }).await;
        let listing = self.pages.read(page).await?;
        context.list(&listing, told::rows, "There is no such job.")
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.job(tenant, self.which.id).await?, told::sheet, None)
    }
}

impl Cancel {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let job = context.session.client.cancel_job(tenant, self.which.id).await?;
        context.record(&job, told::sheet, Some("The job ends when its step is done; what was done stays."))
    }
}

impl Retry {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let job = context.session.client.retry_job(tenant, self.which.id).await?;
        context.record(&job, told::sheet, Some("The job goes on."))
    }
}
