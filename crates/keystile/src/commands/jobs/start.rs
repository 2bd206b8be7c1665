//! `keystile jobs revoke`, `disable`, `enable`, `rotate` and `export`.

use std::time::Duration;

use clap::Args;
use keystile_core::JobKind;
use keystile_wire::CreateJob;

use super::told::sheet;
use super::wait::wait_for;
use crate::commands::context::Context;
use crate::commands::filters::Filters;
use crate::commands::input::{Consent, confirm_many};
use crate::commands::keys::overlap;
use crate::commands::output::Report;
use crate::commands::words::reason;
use crate::failure::Failure;

/// What all of them take.
#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    filters: Filters,
    /// Wait until the job is over.
    #[arg(long)]
    wait: bool,
}

/// Whether to ask before keys are changed.
#[derive(Debug, Args)]
struct Sure {
    /// Do not ask; needed where there is no terminal to ask at.
    #[arg(long)]
    yes: bool,
}

/// Ends all keys for good that the filters find. Each is refused everywhere when its turn has come.
#[derive(Debug, Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    sure: Sure,
    /// Why; kept with each record. 1 to 200 characters.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// Switches all keys off that the filters find.
#[derive(Debug, Args)]
pub(super) struct Disable {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    sure: Sure,
}

/// Switches all keys on that the filters find.
#[derive(Debug, Args)]
pub(super) struct Enable {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    sure: Sure,
}

/// Gives all keys a successor that the filters find, at most 10,000; `keystile jobs secrets` shows the secrets, once.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    sure: Sure,
    /// How long the old keys live on: `0`, `90min`, `24h`, `7d`, at most `30d`.
    #[arg(long, value_name = "SPAN", value_parser = overlap)]
    overlap: Duration,
}

/// Writes down all keys that the filters find, without their secrets; `keystile jobs result` fetches them.
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    how: How,
    /// Deleted keys, too.
    #[arg(long)]
    include_deleted: bool,
}

impl Revoke {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let reason = self.reason;
        let with_reason = |job: CreateJob| CreateJob { reason: reason.clone(), ..job };
        self.how.change(JobKind::Revoke, &self.sure, with_reason, context).await
    }
}

impl Disable {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        self.how.change(JobKind::Disable, &self.sure, |job| job, context).await
    }
}

impl Enable {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        self.how.change(JobKind::Enable, &self.sure, |job| job, context).await
    }
}

impl Rotate {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let seconds = self.overlap.as_secs();
        let with_overlap = |job: CreateJob| CreateJob { overlap_seconds: Some(seconds), ..job };
        self.how.change(JobKind::Rotate, &self.sure, with_overlap, context).await
    }
}

impl Export {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let mut selection = self.how.filters.selection();
        selection.include_deleted = self.include_deleted.then_some(true);
        begin(&CreateJob::of(JobKind::Export, selection), self.how.wait, context).await
    }
}

impl How {
    /// Counts the keys, asks whether they are meant, and asks for the job on exactly so many.
    async fn change(
        self,
        kind: JobKind,
        sure: &Sure,
        complete: impl Fn(CreateJob) -> CreateJob,
        context: &Context,
    ) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let selection = self.filters.selection();
        let dry = CreateJob { dry_run: Some(true), ..CreateJob::of(kind, selection.clone()) };
        let total = client.count_for_job(tenant, &complete(dry)).await?.total;
        if Consent::of(sure.yes) == Consent::ToAsk {
            confirm_many(kind.as_str(), total)?;
        }
        let job = CreateJob { expected: Some(total), ..CreateJob::of(kind, selection) };
        begin(&complete(job), self.wait, context).await
    }
}

/// Asks for a job, and waits for it if that is wanted.
pub(super) async fn begin(request: &CreateJob, wait: bool, context: &Context) -> Result<Report, Failure> {
    let tenant = context.session.tenant().await?;
    let job = context.session.client.create_job(tenant, request).await?;
    if wait {
        return wait_for(job.id, context).await;
    }
    let hint = format!("The job goes on in the background: keystile jobs wait {}", job.id);
    context.record(&job, sheet, Some(&hint))
}
