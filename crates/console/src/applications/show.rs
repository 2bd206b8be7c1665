//! The page of an application, its end and its return.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use keystile_core::{ApiKey, Application, ApplicationId};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::{KeyListQuery, PatchApplication};

use super::super::form::Form;
use super::super::newest::{FEW, few_keys};
use super::super::page::{go_to, page};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts, request_limits};
use super::{TABS, path_of};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "applications/show.html")]
struct Show {
    shell: Shell,
    tab: &'static str,
    application: Application,
    keys: Vec<ApiKey>,
    keys_path: String,
    teaches: &'static str,
    permissions: usize,
    routes: usize,
    hosts: usize,
}

/// The page of an application.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    let application = app.control.application(&caller, id).await?;
    let query = KeyListQuery { application_id: Some(id), ..KeyListQuery::default() };
    let keys = few_keys(&app, &caller, &shell, query).await?;
    let routing = app.control.routing(&caller, id).await?.routing;
    let keys_path = shell.path(&format!("keys?application_id={id}"));
    page(&Show {
        shell,
        tab: "",
        application,
        keys,
        keys_path,
        teaches: "No key was issued to this application yet. Choose it when you make one.",
        permissions: app.control.catalogue(&caller, id).await?.len(),
        routes: routing.routes.len(),
        hosts: routing.hosts.len(),
    })
}

#[derive(Template)]
#[template(path = "applications/archive.html")]
struct Archive {
    shell: Shell,
    application: Application,
}

impl Archive {
    fn path(&self) -> String {
        path_of(&self.shell, self.application.id, "/archive")
    }

    fn back(&self) -> String {
        path_of(&self.shell, self.application.id, "")
    }
}

/// Says what archiving does, and asks.
pub(super) async fn ask_archive(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    page(&Archive { shell, application })
}

/// Archives an application.
pub(super) async fn archive(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Form(_): Form,
) -> Answer {
    let request = PatchApplication { archived: Some(true), ..PatchApplication::default() };
    patched(&app, caller, id, request).await?;
    back(&shell, id, "application-archived")
}

/// Brings an archived application back.
pub(super) async fn restore(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Form(_): Form,
) -> Answer {
    let request = PatchApplication { archived: Some(false), ..PatchApplication::default() };
    patched(&app, caller, id, request).await?;
    back(&shell, id, "application-restored")
}

async fn patched(app: &App, caller: Caller, id: ApplicationId, request: PatchApplication) -> Answer<()> {
    let patch = request.parse().map_err(ApiProblem::invalid)?;
    let unguarded = VersionGuard(None);
    let change =
        move |app: App| async move { app.control.patch_application(&caller, id, patch, unguarded).await };
    app.commit(change).await?;
    Ok(())
}

fn back(shell: &Shell, id: ApplicationId, told: &str) -> Answer<Response> {
    go_to(&path_of(shell, id, &format!("?told={told}")), shell.surroundings)
}
