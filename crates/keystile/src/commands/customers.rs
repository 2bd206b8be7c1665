//! `keystile customers`: whom keys can be restricted to.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use keystile_core::{Clock, CustomerId, Name};
use keystile_wire::{CreateCustomer, CustomerListQuery, CustomerView, Patch, PatchCustomer};
use serde_json::{Map, Value};

use super::context::{Common, Context, Pages};
use super::output::Report;
use super::shared_limits::{ClearFlags, LimitFlags, limit_lines};
use super::table::{fields, table};
use super::words::object;
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --name or --archive";

/// Lists, makes and changes customers, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile customers create Globex --external-id crm/42 --metadata-json '{\"plan\": \"gold\"}'
  keystile customers list --external-id crm/42
  keystile keys create web --customer cus_01J8Z3V5N0QK7Y2M4T6B8D9FGH")]
pub(crate) struct CustomersCommand {
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
    Update(Box<Update>),
}

/// Lists customers, newest first.
#[derive(Debug, Args)]
struct List {
    /// Only customers whose name contains this.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only the customer that your own systems call this.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Those that are archived, too.
    #[arg(long)]
    include_archived: bool,
    #[command(flatten)]
    pages: Pages,
}

/// Shows a customer.
#[derive(Debug, Args)]
struct Show {
    /// Its id, as `keystile customers list` shows it.
    #[arg(value_name = "CUSTOMER_ID")]
    id: CustomerId,
}

/// Makes a customer. For developers.
#[derive(Debug, Args)]
struct Create {
    /// What people call it; 1 to 200 characters.
    name: Name,
    /// What your own systems call it; 1 to 200 characters, unique in the tenant.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Free-form facts: a JSON object of at most 16 KiB.
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    metadata_json: Option<Map<String, Value>>,
    #[command(flatten)]
    limits: LimitFlags,
}

/// Changes a customer. What you do not name stays as it is. For developers.
#[derive(Debug, Args)]
struct Update {
    /// Its id, as `keystile customers list` shows it.
    #[arg(value_name = "CUSTOMER_ID")]
    id: CustomerId,
    /// What people call it.
    #[arg(long)]
    name: Option<Name>,
    /// What your own systems call it.
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Take the external id away.
    #[arg(long, conflicts_with = "external_id")]
    clear_external_id: bool,
    /// Free-form facts, instead of those there are: a JSON object of at most 16 KiB.
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    metadata_json: Option<Map<String, Value>>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    clear: ClearFlags,
    /// Restrict no new keys to it; those that are stay good.
    #[arg(long)]
    archive: bool,
    /// Let new keys be restricted to it again.
    #[arg(long, conflicts_with = "archive")]
    restore: bool,
    /// Change it only if the record still has this version.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// Runs `keystile customers …`.
pub(crate) async fn run(command: CustomersCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List(list) => list.run(&context).await,
        Action::Show(show) => show.run(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
    };
    context.print(report).await
}

impl List {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let wanted = CustomerListQuery {
            q: self.q,
            external_id: self.external_id,
            include_archived: self.include_archived.then_some(true),
            ..CustomerListQuery::default()
        };
        let page = async |limit, cursor| {
            client.customers(tenant, &CustomerListQuery { limit, cursor, ..wanted.clone() }).await
        };
        let listing = self.pages.read(page).await?;
        context.list(&listing, rows, "There is none like that. Make one: keystile customers create NAME")
    }
}

impl Show {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.customer(tenant, self.id).await?, sheet, None)
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let (rpm_limit, rate_limits) = self.limits.given();
        let request = CreateCustomer {
            name: self.name.to_string(),
            external_id: self.external_id,
            metadata: self.metadata_json,
            rpm_limit,
            rate_limits,
        };
        let customer = context.session.client.create_customer(tenant, &request).await?;
        context.record(&customer, sheet, Some("It is made."))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let id = self.id;
        let request = self.request().ok_or_else(|| Failure::new(NOTHING))?;
        let tenant = context.session.tenant().await?;
        let customer = context.session.client.patch_customer(tenant, id, &request).await?;
        context.record(&customer, sheet, Some("It is changed."))
    }

    fn request(self) -> Option<PatchCustomer> {
        let name = self.name.map(|name| name.to_string());
        let external_id = if self.clear_external_id { Patch::Clear } else { Patch::from(self.external_id) };
        let metadata = Patch::from(self.metadata_json);
        let archived = (self.archive || self.restore).then_some(self.archive);
        let (rpm_limit, rate_limits) = self.limits.or(&self.clear);
        let version = self.if_version;
        let named = name.is_some() || external_id != Patch::Keep;
        let limited = rpm_limit != Patch::Keep || rate_limits != Patch::Keep;
        let changes = named || limited || metadata != Patch::Keep || archived.is_some();
        changes.then_some(PatchCustomer {
            name,
            external_id,
            metadata,
            rpm_limit,
            rate_limits,
            archived,
            version,
        })
    }
}

fn rows(customers: &[CustomerView]) -> String {
    let row = |customer: &CustomerView| {
        let external_id = customer.external_id.clone().unwrap_or_default();
        [customer.id.to_string(), customer.name.to_string(), external_id, standing(customer)]
    };
    table(["ID", "NAME", "EXTERNAL ID", "STATUS"], &customers.iter().map(row).collect::<Vec<_>>())
}

fn sheet(customer: &CustomerView) -> String {
    let mut pairs = vec![
        ("id", customer.id.to_string()),
        ("name", customer.name.to_string()),
        ("external id", customer.external_id.clone().unwrap_or_else(|| "none".to_owned())),
        ("status", standing(customer)),
    ];
    pairs.extend(limit_lines(customer.rpm_limit, &customer.rate_limits));
    pairs.extend(customer.metadata.iter().map(|(name, value)| ("metadata", format!("{name}={value}"))));
    pairs.push(("created", customer.created_at.to_string()));
    pairs.push(("version", customer.version.to_string()));
    fields(&pairs)
}

fn standing(customer: &CustomerView) -> String {
    if customer.archived { "archived" } else { "in use" }.to_owned()
}
