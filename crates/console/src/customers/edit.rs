//! Making and changing a customer.

use askama::Template;
use axum::extract::State;
use keystile_core::key::ObjectPatch;
use keystile_core::{Customer, CustomerId};
use keystile_manage::{Asked, Caller, CustomerDraft, Right, VersionGuard};
use keystile_wire::{CreateCustomer, PatchCustomer};

use super::super::as_json::{AsJson, json, number};
use super::super::form::{Fields, Form, Wrong};
use super::super::once::{FormName, MakingForm, once};
use super::super::page::{go_to, page, unprocessable};
use super::super::request_limits::TypedLimits;
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &["name", "external_id", "metadata", "rpm_limit", "rate_limits"];

#[derive(Template)]
#[template(path = "customers/edit.html")]
struct Edit {
    shell: Shell,
    /// Which one; none when it is to be made.
    id: Option<CustomerId>,
    /// Of the form, when one is to be made.
    form_name: Option<FormName>,
    /// What stands in it.
    typed: Fields,
    limits: TypedLimits,
    whose: &'static str,
    wrong: Wrong,
}

impl Edit {
    fn empty(shell: Shell) -> Self {
        Self {
            shell,
            id: None,
            form_name: None,
            typed: Fields::default(),
            limits: TypedLimits::default(),
            whose: "all keys that are restricted to it",
            wrong: Wrong::default(),
        }
    }

    fn of(shell: Shell, customer: &Customer) -> Self {
        let metadata = serde_json::to_string_pretty(&customer.metadata).unwrap_or_default();
        let typed = Fields::from([
            ("version", customer.version.to_string().as_str()),
            ("name", customer.name.as_str()),
            ("external_id", customer.external_id.as_deref().unwrap_or_default()),
            ("metadata", if customer.metadata.is_empty() { "" } else { &metadata }),
        ]);
        Self { id: Some(customer.id), typed, limits: TypedLimits::of(&customer.limits), ..Self::empty(shell) }
    }

    /// As it was filled in.
    fn filled(shell: Shell, id: Option<CustomerId>, typed: Fields) -> Self {
        Self { id, limits: TypedLimits::read(&typed), typed, ..Self::empty(shell) }
    }

    /// What making and changing have in common.
    fn said(&self) -> Answer<AsJson> {
        let said = AsJson::default().required("name", &self.typed).text("external_id", &self.typed);
        self.limits.write(said.with("metadata", json(self.typed.text("metadata"))))
    }

    fn path(&self) -> String {
        match self.id {
            Some(id) => self.shell.path(&format!("customers/{id}/edit")),
            None => self.shell.path("customers/new"),
        }
    }

    /// Where one was before.
    fn back(&self) -> String {
        match self.id {
            Some(id) => self.shell.path(&format!("customers/{id}")),
            None => self.shell.path("customers"),
        }
    }

    fn refused(self, problem: ApiProblem) -> Answer {
        unprocessable(&Self { wrong: Wrong::mendable(problem)?, ..self })
    }
}

/// The form for a new customer.
pub(super) async fn new(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    caller.require(Right::ManageCustomers)?;
    page(&Edit { form_name: Some(FormName::new(&app)?), ..Edit::empty(shell) })
}

/// Makes a customer.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageCustomers)?;
    let form_name = Some(FormName::new(&app)?);
    let form = Edit { form_name, ..Edit::filled(shell, None, fields) };
    match carry_out_creation(&app, caller, asked, &form).await {
        Ok(id) => {
            go_to(&form.shell.path(&format!("customers/{id}?told=customer-created")), form.shell.surroundings)
        }
        Err(problem) => form.refused(problem),
    }
}

/// Gives the id of the customer that the form made, now or before.
async fn carry_out_creation(app: &App, caller: Caller, asked: Option<Asked>, form: &Edit) -> Answer<String> {
    let request: CreateCustomer = form.said()?.read()?;
    let (name, settings) = request.parse().map_err(ApiProblem::invalid)?;
    let asker = caller.asker(Right::ManageCustomers)?;
    let work = |app: App| async move {
        let made = app.control.create_customer(&caller, CustomerDraft { name, settings }).await?;
        Ok(made.id.to_string())
    };
    Ok(once(app, asker, asked, String::clone, work).await?.made())
}

/// The form of a customer.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
) -> Answer {
    caller.require(Right::ManageCustomers)?;
    let customer = app.control.customer(&caller, id).await?;
    page(&Edit::of(shell, &customer))
}

/// Changes a customer.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<CustomerId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageCustomers)?;
    let form = Edit::filled(shell, Some(id), fields);
    match carry_out(&app, caller, id, &form).await {
        Ok(()) => go_to(&form.shell.path(&format!("customers/{id}?told=saved")), form.shell.surroundings),
        Err(problem) => form.refused(problem),
    }
}

async fn carry_out(app: &App, caller: Caller, id: CustomerId, form: &Edit) -> Answer<()> {
    let request: PatchCustomer = form.said()?.with("version", number(form.typed.text("version"))).read()?;
    let guard = VersionGuard(request.version);
    // The form shows all of it, so what was taken out of the text is gone.
    let whole = match &request.metadata {
        keystile_wire::Patch::Write(members) => members.clone(),
        keystile_wire::Patch::Clear | keystile_wire::Patch::Keep => serde_json::Map::new(),
    };
    let mut patch = request.parse().map_err(ApiProblem::invalid)?;
    patch.metadata = Some(ObjectPatch::Replace(whole));
    app.commit(move |app: App| async move { app.control.patch_customer(&caller, id, patch, guard).await })
        .await?;
    Ok(())
}
