//! `keystile tenants`: the workspaces you are in, and their settings.

use std::process::ExitCode;

use clap::{Args, Subcommand, value_parser};
use keystile_core::{Clock, KeyLabel, LogRequests, Name, OnLeak, TrustLevel};
use keystile_wire::{CreateTenant, Patch, PatchTenant, TenantView};

use super::context::{Common, Context};
use super::output::Report;
use super::shared_limits::{ClearFlags, LimitFlags, limit_lines};
use super::table::{fields, table};
use super::words::{log_requests, on_leak, trust_level};
use crate::failure::Failure;

const NOTHING: &str = "nothing is to be changed: name a setting, such as --rotation-days 30";

/// Shows, makes and changes tenants, through the API of a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile tenants list
  keystile tenants create 'Acme Inc.' --key-label acme
  keystile tenants update --rotation-days 30 --default-trust-level internal")]
pub(crate) struct TenantsCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the tenants you are a member of.
    List,
    /// Shows the tenant and its settings.
    Show,
    Create(Create),
    Update(Update),
}

/// Makes a tenant, which you own.
#[derive(Debug, Args)]
struct Create {
    /// What people call it; 1 to 200 characters.
    name: Name,
    /// Its part of its keys' text, as in `sk_acme_live_…`; `ks` by default.
    #[arg(long, value_name = "LABEL")]
    key_label: Option<KeyLabel>,
}

/// Changes name and settings of the tenant. What you do not name stays as it is. For owners.
#[derive(Debug, Args)]
struct Update {
    /// What people call it; 1 to 200 characters.
    #[arg(long)]
    name: Option<Name>,
    /// Its part of the text of keys made from now on.
    #[arg(long, value_name = "LABEL")]
    key_label: Option<KeyLabel>,
    /// Days after which the rotation of a secret is due.
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=3650))]
    rotation_days: Option<u16>,
    /// Whether its people need a second factor.
    #[arg(long, value_name = "true|false")]
    mfa_required: Option<bool>,
    /// How sources are treated whose key does not say.
    #[arg(long, value_parser = trust_level())]
    default_trust_level: Option<TrustLevel>,
    /// Days for which events are kept.
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=3650))]
    event_days: Option<u16>,
    /// Whether what a trusted source said of an entity gives way to what a less trusted one says later.
    #[arg(long, value_name = "true|false")]
    less_trusted_overwrites: Option<bool>,
    /// What becomes of keys that are reported as leaked.
    #[arg(long, value_parser = on_leak())]
    on_leak: Option<OnLeak>,
    /// Which requests are logged.
    #[arg(long, value_parser = log_requests())]
    log_requests: Option<LogRequests>,
    /// Days for which the request log is kept.
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=730))]
    log_days: Option<u16>,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    clear: ClearFlags,
    /// Change it only if the record still has this version, as `keystile tenants show` tells it.
    #[arg(long, value_name = "VERSION")]
    if_version: Option<i64>,
}

/// Runs `keystile tenants …`.
pub(crate) async fn run(command: TenantsCommand, clock: &dyn Clock) -> Result<ExitCode, Failure> {
    let context = command.common.open(clock).await?;
    let report = match command.action {
        Action::List => list(&context).await,
        Action::Show => show(&context).await,
        Action::Create(create) => create.run(&context).await,
        Action::Update(update) => update.run(&context).await,
    };
    context.print(report).await
}

async fn list(context: &Context) -> Result<Report, Failure> {
    let tenants = context.session.client.tenants().await?;
    context.list(&tenants, rows, "You are a member of no tenant. Make one: keystile tenants create NAME")
}

async fn show(context: &Context) -> Result<Report, Failure> {
    let tenant = context.session.tenant().await?;
    context.record(&context.session.client.tenant(tenant).await?, sheet, None)
}

impl Create {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let key_label = self.key_label.map(|label| label.to_string());
        let request = CreateTenant { name: self.name.to_string(), key_label };
        let tenant = context.session.client.create_tenant(&request).await?;
        context.record(&tenant, sheet, Some("It is made, and yours; --tenant or KEYSTILE_TENANT chooses it."))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<Report, Failure> {
        let (rpm_limit, rate_limits) = self.limits.or(&self.clear);
        let request = PatchTenant {
            name: self.name.map(|name| name.to_string()),
            key_label: self.key_label.map(|label| label.to_string()).into(),
            rotation_days: self.rotation_days.into(),
            mfa_required: self.mfa_required.into(),
            default_trust_level: self.default_trust_level.map(|level| level.to_string()).into(),
            event_days: self.event_days.into(),
            less_trusted_overwrites: self.less_trusted_overwrites.into(),
            on_leak: self.on_leak.map(|wanted| wanted.to_string()).into(),
            log_requests: self.log_requests.map(|wanted| wanted.to_string()).into(),
            log_days: self.log_days.into(),
            rpm_limit,
            rate_limits,
            version: None,
        };
        if changes_nothing(&request) {
            return Err(Failure::new(NOTHING));
        }
        let request = PatchTenant { version: self.if_version, ..request };
        let tenant = context.session.tenant().await?;
        let tenant = context.session.client.patch_tenant(tenant, &request).await?;
        context.record(&tenant, sheet, Some("It is changed."))
    }
}

fn changes_nothing(request: &PatchTenant) -> bool {
    request.name.is_none()
        && request.key_label == Patch::Keep
        && request.rotation_days == Patch::Keep
        && request.mfa_required == Patch::Keep
        && request.default_trust_level == Patch::Keep
        && request.event_days == Patch::Keep
        && request.less_trusted_overwrites == Patch::Keep
        && request.on_leak == Patch::Keep
        && request.log_requests == Patch::Keep
        && request.log_days == Patch::Keep
        && request.rpm_limit == Patch::Keep
        && request.rate_limits == Patch::Keep
}

fn rows(tenants: &[TenantView]) -> String {
    let row = |tenant: &TenantView| {
        [
            tenant.id.to_string(),
            tenant.name.to_string(),
            tenant.role.to_string(),
            tenant.key_label.to_string(),
        ]
    };
    table(["ID", "NAME", "YOUR ROLE", "KEY LABEL"], &tenants.iter().map(row).collect::<Vec<_>>())
}

const fn overwriting(is_allowed: bool) -> &'static str {
    if is_allowed { "overwrite more trusted ones" } else { "do not overwrite more trusted ones" }
}

fn sheet(tenant: &TenantView) -> String {
    let mut pairs = vec![
        ("id", tenant.id.to_string()),
        ("name", tenant.name.to_string()),
        ("your role", tenant.role.to_string()),
        ("key label", tenant.key_label.to_string()),
        ("rotation due", format!("after {} days", tenant.rotation_days)),
        ("second factor", if tenant.mfa_required { "required" } else { "not required" }.to_owned()),
        ("default trust level", tenant.default_trust_level.to_string()),
        ("events kept", format!("for {} days", tenant.event_days)),
        ("less trusted sources", overwriting(tenant.less_trusted_overwrites).to_owned()),
        ("on a leak", tenant.on_leak.to_string()),
        ("requests logged", format!("{}, for {} days", tenant.log_requests, tenant.log_days)),
    ];
    pairs.extend(limit_lines(tenant.rpm_limit, &tenant.rate_limits));
    pairs.push(("created", tenant.created_at.to_string()));
    pairs.push(("version", tenant.version.to_string()));
    fields(&pairs)
}
