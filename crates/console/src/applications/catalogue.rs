//! The permission catalogue of an application: what its keys can be given, in words for people.

use askama::Template;
use axum::extract::State;
use keystile_core::{Application, ApplicationId, CatalogueEntry, Invalid, Name, PermissionName};
use keystile_manage::{Caller, Right};
use keystile_wire::SetPermission;
use serde::Deserialize;

use super::super::as_json::AsJson;
use super::super::form::{Fields, Form, Wrong};
use super::super::once::{FormName, MakingForm, once};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::{TABS, path_of};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::{PathId, PathPermission};
use keystile_web::problem::ApiProblem;

/// Entries on a page; a catalogue has 500 at most.
const PAGE: usize = 100;
/// What the form shows a rule for.
const SHOWN: &[&str] = &["name", "label", "description"];

/// Which part of the catalogue to show.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CatalogueQuery {
    /// Has this in its name or label, in capitals or not.
    q: Option<String>,
    /// Stands behind this name.
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "applications/permissions.html")]
struct List {
    shell: Shell,
    tab: &'static str,
    application: Application,
    entries: Vec<CatalogueEntry>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the catalogue.
pub(super) async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Sought { query, asked }: Sought<CatalogueQuery>,
) -> Answer {
    let application = app.control.application(&caller, id).await?;
    let mut entries = app.control.catalogue(&caller, id).await?;
    entries.retain(|entry| query.shows(entry));
    let next = (entries.len() > PAGE).then(|| entries.get(PAGE - 1)).flatten();
    let next = next.map(|last| asked.with("cursor", last.name.as_str()));
    entries.truncate(PAGE);
    page(&List { shell, tab: "/permissions", application, entries, asked, next })
}

impl CatalogueQuery {
    fn shows(&self, entry: &CatalogueEntry) -> bool {
        let has = |text: &str, wanted: &str| text.to_lowercase().contains(&wanted.to_lowercase());
        let wanted = self.q.as_deref().unwrap_or_default();
        let is_behind = self.cursor.as_deref().is_none_or(|cursor| entry.name.as_str() > cursor);
        is_behind && (has(entry.name.as_str(), wanted) || has(entry.label.as_str(), wanted))
    }
}

#[derive(Template)]
#[template(path = "applications/permission.html")]
struct Edit {
    shell: Shell,
    application: Application,
    /// Of the form of a new permission.
    form_name: Option<FormName>,
    name: String,
    /// What stands in it.
    typed: Fields,
    wrong: Wrong,
}

impl Edit {
    fn path(&self) -> String {
        let page =
            if self.is_new() { "/new-permission".to_owned() } else { format!("/permissions/{}", self.name) };
        path_of(&self.shell, self.application.id, &page)
    }

    const fn is_new(&self) -> bool {
        self.form_name.is_some()
    }

    fn list_path(&self) -> String {
        path_of(&self.shell, self.application.id, "/permissions")
    }
}

/// The form for a new permission.
pub(super) async fn new(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    let form_name = Some(FormName::new(&app)?);
    let (name, typed, wrong) = Default::default();
    page(&Edit { shell, application, form_name, name, typed, wrong })
}

/// The form of a permission.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    let entry = app.control.permission(&caller, id, &name).await?;
    let described = entry.description.as_deref().unwrap_or_default();
    let typed = Fields::from([("label", entry.label.as_str()), ("description", described)]);
    let (name, wrong) = (name.to_string(), Wrong::default());
    page(&Edit { shell, application, form_name: None, name, typed, wrong })
}

/// Puts a new permission into the catalogue. One that is there is not described anew in passing.
pub(super) async fn add(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let outcome = async {
        let name = fields.text("name").parse::<PermissionName>();
        let name = name.map_err(|invalid: Invalid| invalid.at("name"))?;
        let words = Words::read(&fields)?;
        let (asker, by) = (caller.asker(Right::ManageApplications)?, caller.clone());
        let add = move |app: App| async move {
            if has(&app, &by, id, &name).await? {
                return Err(Invalid::new("name", "is in the catalogue already; change it there").into());
            }
            words.write(&app, &by, (id, name)).await
        };
        once(&app, asker, asked, |()| String::new(), add).await.map(drop)
    };
    let outcome = outcome.await;
    let (name, form_name) = (fields.text("name").to_owned(), Some(FormName::new(&app)?));
    answered(&app, &caller, (shell, id), (name, form_name), fields, outcome).await
}

/// Describes a permission of the catalogue anew.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    app.control.permission(&caller, id, &name).await?;
    let shown = name.to_string();
    let outcome = async { Words::read(&fields)?.write(&app, &caller, (id, name)).await };
    let outcome = outcome.await;
    answered(&app, &caller, (shell, id), (shown, None), fields, outcome).await
}

async fn answered(
    app: &App,
    caller: &Caller,
    (shell, id): (Shell, ApplicationId),
    (name, form_name): (String, Option<FormName>),
    typed: Fields,
    outcome: Answer<()>,
) -> Answer {
    let Err(problem) = outcome else {
        return go_to(&path_of(&shell, id, "/permissions?told=permission-saved"), shell.surroundings);
    };
    let wrong = Wrong::mendable(problem)?;
    let application = app.control.application(caller, id).await?;
    unprocessable(&Edit { shell, application, form_name, name, typed, wrong })
}

async fn has(app: &App, caller: &Caller, id: ApplicationId, name: &PermissionName) -> Answer<bool> {
    Ok(app.control.catalogue(caller, id).await?.iter().any(|entry| entry.name == *name))
}

/// What people are told of a permission.
struct Words {
    label: Name,
    description: Option<String>,
}

impl Words {
    fn read(fields: &Fields) -> Answer<Self> {
        let request: SetPermission =
            AsJson::default().required("label", fields).text("description", fields).read()?;
        let (label, description) = request.parse().map_err(ApiProblem::invalid)?;
        Ok(Self { label, description })
    }

    async fn write(
        self,
        app: &App,
        caller: &Caller,
        (id, name): (ApplicationId, PermissionName),
    ) -> Answer<()> {
        app.control.set_permission(caller, id, name, self.label, self.description).await?;
        Ok(())
    }
}

#[derive(Template)]
#[template(path = "applications/remove_permission.html")]
struct Removal {
    shell: Shell,
    application: Application,
    entry: CatalogueEntry,
}

impl Removal {
    fn path(&self) -> String {
        path_of(&self.shell, self.application.id, &format!("/permissions/{}/remove", self.entry.name))
    }

    fn list_path(&self) -> String {
        path_of(&self.shell, self.application.id, "/permissions")
    }
}

/// Says what taking a permission out does, and asks.
pub(super) async fn ask_removal(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    let entry = app.control.permission(&caller, id, &name).await?;
    page(&Removal { shell, application, entry })
}

/// Takes a permission out of the catalogue.
pub(super) async fn remove(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    PathPermission(name): PathPermission,
    Form(_): Form,
) -> Answer {
    app.control.delete_permission(&caller, id, &name).await?;
    go_to(&path_of(&shell, id, "/permissions?told=permission-removed"), shell.surroundings)
}
