//! Applications: the list, and the ways to the pages of one.

mod catalogue;
mod edit;
mod gateways;
mod routing;
mod show;

use std::fmt::Display;

use askama::Template;
use axum::extract::State;
use keystile_core::{Application, ApplicationId};
use keystile_wire::ApplicationListQuery;

use super::page::page;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get, post};
use super::visitor::Inside;
use super::{assets, parts, request_limits};
use keystile_web::App;
use keystile_web::api::{Answer, listing, page_of};

/// The pages of one application, as its tabs name them: behind its path, and for people.
const TABS: &[(&str, &str)] =
    &[("", "Overview"), ("/permissions", "Permissions"), ("/routing", "Routing"), ("/gateways", "Gateways")];

pub(super) fn routes() -> Pages {
    const PERMISSION: &str = "/applications/{application_id}/permissions/{permission}";
    Pages::new()
        .route("/applications", get(list))
        .route("/applications/new", get(edit::new).post(edit::create))
        .route("/applications/{application_id}", get(show::show))
        .route("/applications/{application_id}/edit", get(edit::edit).post(edit::change))
        .route("/applications/{application_id}/archive", get(show::ask_archive).post(show::archive))
        .route("/applications/{application_id}/restore", post(show::restore))
        .route("/applications/{application_id}/permissions", get(catalogue::list))
        .route("/applications/{application_id}/new-permission", get(catalogue::new).post(catalogue::add))
        .route(PERMISSION, get(catalogue::edit).post(catalogue::change))
        .route(&format!("{PERMISSION}/remove"), get(catalogue::ask_removal).post(catalogue::remove))
        .route("/applications/{application_id}/routing", get(routing::show))
        .route("/applications/{application_id}/routing/edit", get(routing::edit).post(routing::change))
        .route("/applications/{application_id}/gateways", get(gateways::show))
}

#[derive(Template)]
#[template(path = "applications/list.html")]
struct List {
    shell: Shell,
    applications: Vec<Application>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the tenant's applications.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<ApplicationListQuery>,
) -> Answer {
    let (which, limit) = page_of::<ApplicationId>(query.limit, query.cursor.as_deref())?;
    let found = app.control.applications(&caller, query.include_archived.unwrap_or_default(), which).await?;
    let listed = listing(found, limit, |application| application.id.to_string(), |application| application);
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, applications: listed.data, asked, next })
}

/// The path of a page of an application.
fn path_of(shell: &Shell, id: impl Display, page: &str) -> String {
    shell.path(&format!("applications/{id}{page}"))
}
