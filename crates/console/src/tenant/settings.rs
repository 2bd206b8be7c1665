//! The settings of a tenant: owners change them, everybody sees them.

use askama::Template;
use axum::extract::State;
use keystile_core::{Role, Tenant};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::PatchTenant;

use super::super::as_json::{AsJson, number};
use super::super::form::{Fields, Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::request_limits::{self, TypedLimits, told};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::words::Word;
use super::super::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &[
    "name",
    "key_label",
    "rotation_days",
    "mfa_required",
    "default_trust_level",
    "event_days",
    "less_trusted_overwrites",
    "on_leak",
    "log_requests",
    "log_days",
    "rpm_limit",
    "rate_limits",
];

/// What a role may do, in words, and a right that tells who may.
const RIGHTS: &[(&str, Right)] = &[
    ("See everything but secrets, webhooks and providers of models", Right::ReadTenant),
    ("Make, change, rotate and revoke keys", Right::ManageKeys),
    ("Make and change customers", Right::ManageCustomers),
    ("Make and change applications, permissions and routes", Right::ManageApplications),
    ("See, make and change webhooks, and what was sent to them", Right::ManageWebhooks),
    ("Make and change providers of models, models and prices", Right::ManageModels),
    ("Correct what was charged", Right::CorrectSpend),
    ("Invite and remove members, and change their roles", Right::ManageMembers),
    ("Give members a link to set a new password", Right::ResetPasswords),
    ("Make, change and remove owners", Right::ManageOwners),
    ("Change these settings", Right::ManageTenant),
];

#[derive(Template)]
#[template(path = "tenant/settings.html")]
struct Settings {
    shell: Shell,
    tenant: Tenant,
    /// What stands in the form.
    typed: Fields,
    limits: TypedLimits,
    whose: &'static str,
    wrong: Wrong,
}

impl Settings {
    const WHOSE: &str = "all keys of this tenant";

    fn of(shell: Shell, tenant: Tenant) -> Self {
        let (settings, limits) = (&tenant.settings, TypedLimits::of(&tenant.limits));
        let mut typed = Fields::from([
            ("version", tenant.version.to_string().as_str()),
            ("name", tenant.name.as_str()),
            ("key_label", tenant.key_label.as_str()),
            ("rotation_days", &settings.rotation_days.to_string()),
            ("default_trust_level", settings.default_trust_level.as_str()),
            ("event_days", &settings.event_days.to_string()),
            ("on_leak", settings.on_leak.as_str()),
            ("log_requests", settings.log_requests.as_str()),
            ("log_days", &settings.log_days.to_string()),
        ]);
        for (name, is_ticked) in [
            ("mfa_required", settings.mfa_required),
            ("less_trusted_overwrites", settings.less_trusted_overwrites),
        ] {
            if is_ticked {
                typed.fill(name, "yes");
            }
        }
        Self { shell, tenant, typed, limits, whose: Self::WHOSE, wrong: Wrong::default() }
    }

    fn may_change(&self) -> bool {
        self.shell.may(Right::ManageTenant.role())
    }

    /// What is done with keys that are reported as leaked.
    const fn on_leak(&self) -> Word {
        words::on_leak(self.tenant.settings.on_leak)
    }

    /// Which requests are logged.
    const fn log_requests(&self) -> Word {
        words::logged(self.tenant.settings.log_requests)
    }

    /// The limits in a line.
    fn limits_told(&self) -> String {
        told(&self.tenant.limits).unwrap_or_else(|| "none".to_owned())
    }
}

/// The roles of the table, weakest first.
fn roles() -> impl Iterator<Item = (Role, &'static str)> {
    Role::ALL.iter().map(|role| (*role, words::role(*role).name))
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
    let limits = TypedLimits::read(&fields);
    match carry_out(&app, caller, &fields, &limits).await {
        Ok(()) => go_to(&format!("{}?told=settings-saved", shell.path("settings")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Settings { typed: fields, limits, wrong, ..Settings::of(shell, tenant) })
        }
    }
}

async fn carry_out(app: &App, caller: Caller, fields: &Fields, limits: &TypedLimits) -> Answer<()> {
    let request = AsJson::default()
        .required("name", fields)
        .text("key_label", fields)
        .with("rotation_days", number(fields.text("rotation_days")))
        .with("mfa_required", fields.is_ticked("mfa_required").into())
        .text("default_trust_level", fields)
        .with("event_days", number(fields.text("event_days")))
        .with("less_trusted_overwrites", fields.is_ticked("less_trusted_overwrites").into())
        .text("on_leak", fields)
        .text("log_requests", fields)
        .with("log_days", number(fields.text("log_days")))
        .with("version", number(fields.text("version")));
    let request: PatchTenant = limits.write(request)?.read()?;
    let guard = VersionGuard(request.version);
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    app.commit(move |app: App| async move { app.control.patch_tenant(&caller, patch, guard).await }).await?;
    Ok(())
}
