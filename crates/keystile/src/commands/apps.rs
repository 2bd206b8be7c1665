//! `keystile apps`: the applications that keys are issued to.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{ApplicationId, Clock, Name};
use keystile_wire::{ApplicationListQuery, ApplicationView, CreateApplication, Patch, PatchApplication};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::routes::Routes;
use super::shared_limits::{ClearFlags, LimitFlags, limit_lines};
use super::table::{fields, table};
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --name or --archive";

/// Lists, makes and changes applications, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile apps create shop --description 'The web shop'
  keystile apps update app_01J8Z3V5N0QK7Y2M4T6B8D9FGH --archive")]
pub(crate) struct AppsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Show(Show),
    Create(Create),
    Update(Update),
    Routes(Routes),
}

/// Lists applications, newest first.
#[derive(Debug, Args)]
struct List {
    /// Those that are archived, too.
    #[arg(long)]
    include_archived: bool,
    #[command(flatten)]
    pages: Pages,
}

/// Shows an application.
#[derive(Debug, Args)]
struct Show {
    /// Its id, as `keystile apps list` shows it.
    #[arg(value_name = "APPLICATION_ID")]
    id: ApplicationId,
}

/// Makes an application. For admins.
#[derive(Debug, Args)]
struct Create {
    /// What people call it; 1 to 200 characters, unique in the tenant.
    name: Name,
    /// What it is; 1 to 500 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    #[command(flatten)]
    limits: LimitFlags,
}

/// Changes an application. What you do not name stays as it is. For admins.
#[derive(Debug, Args)]
struct Update {
    /// Its id, as `keystile apps list` shows it.
    #[arg(value_name = "APPLICATION_ID")]
    id: ApplicationId,
    /// What people call it.
    #[arg(long)]
    name: Option<Name>,
    /// What it is; 1 to 500 characters.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Take the description away.
    #[arg(long, conflicts_with = "description")]
    clear_description: bool,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    clear: ClearFlags,
    /// Take no new keys for it; those it has stay good.
    #[arg(long)]
    archive: bool,
    /// Take new keys for it again.
    #[arg(long, conflicts_with = "archive")]
    restore: bool,
    /// Change it only if the record still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// Runs `keystile apps …`.
pub(crate) async fn run(command: AppsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
        Action::Routes(routes) => routes.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let include_archived = self.include_archived.then_some(true);
        let page = async |limit, cursor| {
            client.applications(tenant, &ApplicationListQuery { limit, cursor, include_archived }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "There is none. Make one: keystile apps create NAME")
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.application(tenant, self.id).await?, sheet, None)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let (rpm_limit, rate_limits) = self.limits.given();
        let (name, description) = (self.name.to_string(), self.description);
        let request = CreateApplication { name, description, rpm_limit, rate_limits };
        let application = context.session.client.create_application(tenant, &request).await?;
        context.record(&application, sheet, Some("It is made."))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.id;
        let request = self.request().ok_or_else(|| Failure::new(NOTHING))?;
        let tenant = context.session.tenant().await?;
        let application = context.session.client.patch_application(tenant, id, &request).await?;
        context.record(&application, sheet, Some("It is changed."))
    }

    fn request(self) -> Option<PatchApplication> {
        let name = self.name.map(|name| name.to_string());
        let description = if self.clear_description { Patch::Clear } else { Patch::from(self.description) };
        let archived = (self.archive || self.restore).then_some(self.archive);
        let (rpm_limit, rate_limits) = self.limits.or(&self.clear);
        let limits = rpm_limit != Patch::Keep || rate_limits != Patch::Keep;
        let changes = limits || name.is_some() || description != Patch::Keep || archived.is_some();
        let version = self.if_version;
        changes.then_some(PatchApplication { name, description, rpm_limit, rate_limits, archived, version })
    }
}

fn rows(applications: &[ApplicationView]) -> String {
    let row = |application: &ApplicationView| {
        let description = application.description.clone().unwrap_or_default();
        [application.id.to_string(), application.name.to_string(), standing(application), description]
    };
    table(["ID", "NAME", "STATUS", "DESCRIPTION"], &applications.iter().map(row).collect::<Vec<_>>())
}

fn sheet(application: &ApplicationView) -> String {
    let mut pairs = vec![
        ("id", application.id.to_string()),
        ("name", application.name.to_string()),
        ("status", standing(application)),
        ("description", application.description.clone().unwrap_or_else(|| "none".to_owned())),
    ];
    pairs.extend(limit_lines(application.rpm_limit, &application.rate_limits));
    pairs.push(("created", application.created_at.to_string()));
    pairs.push(("version", application.version.to_string()));
    fields(&pairs)
}

fn standing(application: &ApplicationView) -> String {
    if application.archived { "archived" } else { "in use" }.to_owned()
}
