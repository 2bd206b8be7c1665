//! The settings of a tenant: owners change them, everybody sees them.

use askama::Template;
use axum::extract::State;
use keystile_core::{Role, Tenant, TrustLevel};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::PatchTenant;

use super::super::as_json::{AsJson, number};
use super::super::form::{Fields, Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::request_limits::{TypedLimits, told};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use crate::api::Answer;
use crate::problem::ApiProblem;
use crate::state::App;

/// What the form shows a rule for.
const SHOWN: &[&str] = &[
    "name",
    "key_label",
    "rotation_days",
    "mfa_required",
    "default_trust_level",
    "event_days",
    "less_trusted_overwrites",
    "rpm_limit",
    "rate_limits",
];

/// What a role may do, in words, and a right that tells who may.
const RIGHTS: &[(&str, Right)] = &[
    ("See keys, customers, applications, members, events, settings and the log", Right::ReadTenant),
    ("Make, change, rotate and revoke keys", Right::ManageKeys),
    ("Make and change customers", Right::ManageCustomers),
    ("Make and change applications, permissions and routes", Right::ManageApplications),
    ("Invite and remove members, and change their roles", Right::ManageMembers),
    ("Give members a link to set a new password", Right::ResetPasswords),
    ("Make, change and remove owners", Right::ManageOwners),
    ("Change these settings", Right::ManageTenant),
];

const TRUST_LEVELS: &[(TrustLevel, &str, &str)] = &[
    (TrustLevel::External, "External", "Treated with care, such as a system of a customer."),
    (TrustLevel::Internal, "Internal", "A system of your own."),
    (TrustLevel::Trusted, "Trusted", "One whose word your services take as it is."),
];

#[derive(Template)]
#[template(path = "tenant/settings.html")]
struct Settings {
    shell: Shell,
    tenant: Tenant,
    typed: Typed,
    limits: TypedLimits,
    whose: &'static str,
    wrong: Wrong,
}

/// What stands in the form beside the limits.
struct Typed {
    version: String,
    name: String,
    key_label: String,
    rotation_days: String,
    mfa_required: bool,
    default_trust_level: String,
    event_days: String,
    less_trusted_overwrites: bool,
}

impl Typed {
    fn of(tenant: &Tenant) -> Self {
        Self {
            version: tenant.version.to_string(),
            name: tenant.name.to_string(),
            key_label: tenant.key_label.to_string(),
            rotation_days: tenant.settings.rotation_days.to_string(),
            mfa_required: tenant.settings.mfa_required,
            default_trust_level: tenant.settings.default_trust_level.to_string(),
            event_days: tenant.settings.event_days.to_string(),
            less_trusted_overwrites: tenant.settings.less_trusted_overwrites,
        }
    }

    fn read(fields: &Fields) -> Self {
        let text = |name| fields.text(name).to_owned();
        Self {
            version: text("version"),
            name: text("name"),
            key_label: text("key_label"),
            rotation_days: text("rotation_days"),
            mfa_required: fields.is_ticked("mfa_required"),
            default_trust_level: text("default_trust_level"),
            event_days: text("event_days"),
            less_trusted_overwrites: fields.is_ticked("less_trusted_overwrites"),
        }
    }
}

impl Settings {
    const WHOSE: &str = "all keys of this tenant";

    fn of(shell: Shell, tenant: Tenant) -> Self {
        let (typed, limits) = (Typed::of(&tenant), TypedLimits::of(&tenant.limits));
        Self { shell, tenant, typed, limits, whose: Self::WHOSE, wrong: Wrong::default() }
    }

    fn may_change(&self) -> bool {
        self.shell.may(Right::ManageTenant.role())
    }

    /// The limits in a line.
    fn limits_told(&self) -> String {
        told(&self.tenant.limits).unwrap_or_else(|| "none".to_owned())
    }
}

/// The roles of the table, weakest first.
const fn roles() -> &'static [(Role, &'static str)] {
    &[
        (Role::Viewer, "Viewer"),
        (Role::Developer, "Developer"),
        (Role::Admin, "Admin"),
        (Role::Owner, "Owner"),
    ]
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass what they name by reference")]
fn has(role: &Role, right: &Right) -> bool {
    *role >= right.role()
}

pub(super) async fn show(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    let tenant = app.control.tenant(&caller).await?;
    page(&Settings::of(shell, tenant))
}

/// Saves them, unless somebody else has since they were shown.
pub(super) async fn save(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageTenant)?;
    let tenant = app.control.tenant(&caller).await?;
    let (typed, limits) = (Typed::read(&fields), TypedLimits::read(&fields));
    match carry_out(&app, caller, &typed, &limits).await {
        Ok(()) => go_to(&format!("{}?told=settings-saved", shell.path("settings")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Settings { typed, limits, wrong, ..Settings::of(shell, tenant) })
        }
    }
}

async fn carry_out(app: &App, caller: Caller, typed: &Typed, limits: &TypedLimits) -> Answer<()> {
    let text = |text: &str| Some(text).filter(|text| !text.is_empty()).into();
    let request = AsJson::default()
        .with("name", typed.name.as_str().into())
        .with("key_label", text(&typed.key_label))
        .with("rotation_days", number(&typed.rotation_days))
        .with("mfa_required", typed.mfa_required.into())
        .with("default_trust_level", text(&typed.default_trust_level))
        .with("event_days", number(&typed.event_days))
        .with("less_trusted_overwrites", typed.less_trusted_overwrites.into())
        .with("version", number(&typed.version));
    let request: PatchTenant = limits.write(request).read()?;
    let guard = VersionGuard(request.version);
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    app.commit(move |app: App| async move { app.control.patch_tenant(&caller, patch, guard).await }).await?;
    Ok(())
}
