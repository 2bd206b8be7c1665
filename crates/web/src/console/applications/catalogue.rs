//! The permission catalogue of an application: what its keys can be given, in words for people.

use askama::Template;
use axum::extract::State;
use keystile_core::{Application, ApplicationId, CatalogueEntry, Invalid, PermissionName};
use keystile_manage::{Caller, Right};
use keystile_wire::SetPermission;
use serde::Deserialize;

use super::super::as_json::AsJson;
use super::super::form::{Fields, Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::{TABS, path_of};
use crate::api::Answer;
use crate::extract::{PathId, PathPermission};
use crate::problem::ApiProblem;
use crate::state::App;

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
    is_new: bool,
    name: String,
    label: String,
    description: String,
    wrong: Wrong,
}

impl Edit {
    fn path(&self) -> String {
        let page =
            if self.is_new { "/new-permission".to_owned() } else { format!("/permissions/{}", self.name) };
        path_of(&self.shell, self.application.id, &page)
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
    let (name, label, description, wrong) = Default::default();
    page(&Edit { shell, application, is_new: true, name, label, description, wrong })
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
    page(&Edit {
        shell,
        application,
        is_new: false,
        name: name.to_string(),
        label: entry.label.as_str().to_owned(),
        description: entry.description.unwrap_or_default(),
        wrong: Wrong::default(),
    })
}

/// Puts a new permission into the catalogue. One that is there is not described anew in passing.
pub(super) async fn add(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let name = fields.text("name").parse::<PermissionName>().map_err(|invalid: Invalid| invalid.at("name"));
    let outcome = match name {
        Ok(name) if has(&app, &caller, id, &name).await? => {
            Err(Invalid::new("name", "is in the catalogue already; change it there").into())
        }
        Ok(name) => write(&app, &caller, id, name, &fields).await,
        Err(invalid) => Err(invalid.into()),
    };
    let name = fields.text("name").to_owned();
    answered(&app, &caller, (shell, id), (name, true), &fields, outcome).await
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
    let outcome = write(&app, &caller, id, name.clone(), &fields).await;
    answered(&app, &caller, (shell, id), (name.to_string(), false), &fields, outcome).await
}

async fn answered(
    app: &App,
    caller: &Caller,
    (shell, id): (Shell, ApplicationId),
    (name, is_new): (String, bool),
    fields: &Fields,
    outcome: Answer<()>,
) -> Answer {
    let Err(problem) = outcome else {
        return go_to(&path_of(&shell, id, "/permissions?told=permission-saved"), shell.surroundings);
    };
    let wrong = Wrong::mendable(problem)?;
    let application = app.control.application(caller, id).await?;
    let text = |name| fields.text(name).to_owned();
    let (label, description) = (text("label"), text("description"));
    unprocessable(&Edit { shell, application, is_new, name, label, description, wrong })
}

async fn has(app: &App, caller: &Caller, id: ApplicationId, name: &PermissionName) -> Answer<bool> {
    Ok(app.control.catalogue(caller, id).await?.iter().any(|entry| entry.name == *name))
}

async fn write(
    app: &App,
    caller: &Caller,
    id: ApplicationId,
    name: PermissionName,
    fields: &Fields,
) -> Answer<()> {
    let request: SetPermission =
        AsJson::default().required("label", fields).text("description", fields).read()?;
    let (label, description) = request.parse().map_err(ApiProblem::invalid)?;
    app.control.set_permission(caller, id, name, label, description).await?;
    Ok(())
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
