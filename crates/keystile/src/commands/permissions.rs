//! `keystile permissions`: the permissions that an application knows, in words for people.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{ApplicationId, Clock, Name, PermissionName};
use keystile_wire::{Listing, PageQuery, PermissionView, SetPermission};

use super::context::{Common, Context, Pages};
use super::output::{Form, Report, plain};
use super::table::{fields, table};
use crate::failure::Failure;

/// Lists and describes the permissions that applications know, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile permissions set customers:read 'Customer Read' --application app_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile permissions list --application app_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile permissions remove customers:read --application app_01J8Z3V5N0QK7Y2M4T6B8D9FGH")]
pub(crate) struct PermissionsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(List),
    Set(Set),
    Remove(Remove),
}

/// Lists permissions in the order of their names: those of one application, which are 500 at most, or of all.
#[derive(Debug, Args)]
struct List {
    /// Only those of this application, all of them.
    #[arg(long, value_name = "APPLICATION_ID", conflicts_with_all = ["limit", "all", "cursor"])]
    application: Option<ApplicationId>,
    #[command(flatten)]
    pages: Pages,
}

/// Puts a permission into the catalogue of an application, or describes it anew. For admins.
#[derive(Debug, Args)]
struct Set {
    #[command(flatten)]
    which: Which,
    /// What people call it, such as \"Customer Read\"; 1 to 200 characters.
    label: Name,
    /// What it allows; 1 to 500 characters. Without one it has none.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// Takes a permission out of the catalogue of an application. Keys that hold it keep it. For admins.
#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// The permission, such as customers:read.
    #[arg(value_name = "PERMISSION")]
    name: PermissionName,
    /// The application whose catalogue it is in, as `keystile apps list` shows it.
    #[arg(long, value_name = "APPLICATION_ID")]
    application: ApplicationId,
}

/// Runs `keystile permissions …`.
pub(crate) async fn run(command: PermissionsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Set(set) => set.run(&context).await,
        Action::Remove(remove) => remove.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let listing: Listing<PermissionView> = match self.application {
            Some(application) => client.catalogue(tenant, application).await?,
            None => {
                let page =
                    async |limit, cursor| client.permissions(tenant, &PageQuery { limit, cursor }).await;
                self.pages.read(page).await?
            }
        };
        context.list(&listing, rows, "There is none. Add one: keystile permissions set PERMISSION LABEL")
    }
}

impl Set {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Which { name, application } = self.which;
        let tenant = context.session.tenant().await?;
        let request = SetPermission { label: self.label.to_string(), description: self.description };
        let permission = context.session.client.set_permission(tenant, application, &name, &request).await?;
        context.record(&permission, sheet, Some("It is in the catalogue."))
    }
}

impl Remove {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let Which { name, application } = self.which;
        let tenant = context.session.tenant().await?;
        context.session.client.remove_permission(tenant, application, &name).await?;
        match context.form() {
            Form::Json => {
                let removed = serde_json::json!({ "name": name.as_str(), "application_id": application });
                Report::json(&removed)
            }
            Form::Text => Ok(Report::default().note(format!(
                "{} is in the catalogue no more. Keys that hold it keep it.",
                plain(name.as_str())
            ))),
        }
    }
}

fn rows(permissions: &[PermissionView]) -> String {
    let row = |permission: &PermissionView| {
        let PermissionView { name, label, description, application_id } = permission.clone();
        [name, label.to_string(), application_id.to_string(), description.unwrap_or_default()]
    };
    table(
        ["PERMISSION", "LABEL", "APPLICATION", "DESCRIPTION"],
        &permissions.iter().map(row).collect::<Vec<_>>(),
    )
}

fn sheet(permission: &PermissionView) -> String {
    fields(&[
        ("permission", permission.name.clone()),
        ("label", permission.label.to_string()),
        ("application", permission.application_id.to_string()),
        ("description", permission.description.clone().unwrap_or_else(|| "none".to_owned())),
    ])
}
