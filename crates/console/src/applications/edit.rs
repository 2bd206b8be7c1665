//! Making and changing an application.

use askama::Template;
use axum::extract::State;
use keystile_core::{Application, ApplicationId};
use keystile_manage::{Asked, Caller, Right, VersionGuard};
use keystile_wire::{CreateApplication, PatchApplication};

use super::super::as_json::{AsJson, number};
use super::super::form::{Fields, Form, Wrong};
use super::super::once::{FormName, MakingForm, once};
use super::super::page::{go_to, page, unprocessable};
use super::super::request_limits::TypedLimits;
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::path_of;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// What the form shows a rule for.
const SHOWN: &[&str] = &["name", "description", "rpm_limit", "rate_limits"];

#[derive(Template)]
#[template(path = "applications/edit.html")]
struct Edit {
    shell: Shell,
    /// Which one; none when it is to be made.
    id: Option<ApplicationId>,
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
            whose: "all its keys",
            wrong: Wrong::default(),
        }
    }

    fn of(shell: Shell, application: &Application) -> Self {
        let typed = Fields::from([
            ("version", application.version.to_string().as_str()),
            ("name", application.name.as_str()),
            ("description", application.description.as_deref().unwrap_or_default()),
        ]);
        Self {
            id: Some(application.id),
            typed,
            limits: TypedLimits::of(&application.limits),
            ..Self::empty(shell)
        }
    }

    /// As it was filled in.
    fn filled(shell: Shell, id: Option<ApplicationId>, typed: Fields) -> Self {
        Self { id, limits: TypedLimits::read(&typed), typed, ..Self::empty(shell) }
    }

    /// What making and changing have in common.
    fn said(&self) -> Answer<AsJson> {
        self.limits.write(AsJson::default().required("name", &self.typed).text("description", &self.typed))
    }

    fn path(&self) -> String {
        match self.id {
            Some(id) => path_of(&self.shell, id, "/edit"),
            None => self.shell.path("applications/new"),
        }
    }

    /// Where one was before.
    fn back(&self) -> String {
        match self.id {
            Some(id) => path_of(&self.shell, id, ""),
            None => self.shell.path("applications"),
        }
    }

    fn refused(self, problem: ApiProblem) -> Answer {
        unprocessable(&Self { wrong: Wrong::mendable(problem)?, ..self })
    }
}

/// The form for a new application.
pub(super) async fn new(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    caller.require(Right::ManageApplications)?;
    page(&Edit { form_name: Some(FormName::new(&app)?), ..Edit::empty(shell) })
}

/// Makes an application.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let form_name = Some(FormName::new(&app)?);
    let form = Edit { form_name, ..Edit::filled(shell, None, fields) };
    match carry_out_creation(&app, caller, asked, &form).await {
        Ok(id) => go_to(&path_of(&form.shell, id, "?told=application-created"), form.shell.surroundings),
        Err(problem) => form.refused(problem),
    }
}

/// Gives the id of the application that the form made, now or before.
async fn carry_out_creation(app: &App, caller: Caller, asked: Option<Asked>, form: &Edit) -> Answer<String> {
    let request: CreateApplication = form.said()?.read()?;
    let (name, settings) = request.parse().map_err(ApiProblem::invalid)?;
    let asker = caller.asker(Right::ManageApplications)?;
    let work = |app: App| async move {
        Ok(app.control.create_application(&caller, name, settings).await?.id.to_string())
    };
    Ok(once(app, asker, asked, String::clone, work).await?.made())
}

/// The form of an application.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    page(&Edit::of(shell, &application))
}

/// Changes an application.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let form = Edit::filled(shell, Some(id), fields);
    match carry_out(&app, caller, id, &form).await {
        Ok(()) => go_to(&path_of(&form.shell, id, "?told=saved"), form.shell.surroundings),
        Err(problem) => form.refused(problem),
    }
}

async fn carry_out(app: &App, caller: Caller, id: ApplicationId, form: &Edit) -> Answer<()> {
    let request: PatchApplication =
        form.said()?.with("version", number(form.typed.text("version"))).read()?;
    let guard = VersionGuard(request.version);
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    app.commit(move |app: App| async move { app.control.patch_application(&caller, id, patch, guard).await })
        .await?;
    Ok(())
}
