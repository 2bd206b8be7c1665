//! The playground: every call of the API, described and to be tried as the person who is signed in.

mod common;
mod examples;
mod model;
mod reader;
mod schema;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use http::header::HOST;
use keystile_manage::TOKEN_LIFETIME;
use keystile_wire::TokenAnswer;

use self::model::{API, Api, Body, Group, Operation, Parameter};
use super::form::Form;
use super::page::{go_to, page};
use super::shell::Shell;
use super::table::{Pages, get, post};
use super::trouble::no_such_page;
use super::visitor::{Inside, Visitor};
use super::{assets, door, parts};
use keystile_web::App;
use keystile_web::api::{Answer, secret_json};

/// Where seed and habit look for it.
pub(super) const SHORT_PATH: &str = "/playground";

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/playground", get(overview))
        .route("/playground/token", post(lend))
        .route("/playground/{name}", get(show))
}

/// Goes on to the playground of the tenant that somebody is at home in.
pub(super) async fn enter(State(app): State<App>, visitor: Visitor) -> Answer {
    let surroundings = visitor.surroundings;
    match door::home(&app, visitor).await? {
        Some(id) => go_to(&format!("/console/{id}/playground"), surroundings),
        None => go_to("/console/account", surroundings),
    }
}

#[derive(Template)]
#[template(path = "playground/overview.html")]
struct Overview {
    shell: Shell,
    api: &'static Api,
    at: &'static str,
}

async fn overview(Inside { shell, .. }: Inside) -> Answer {
    page(&Overview { shell, api: &API, at: "" })
}

#[derive(Template)]
#[template(path = "playground/group.html")]
struct GroupPage {
    shell: Shell,
    api: &'static Api,
    at: &'static str,
    group: &'static Group,
}

#[derive(Template)]
#[template(path = "playground/operation.html")]
struct OperationPage {
    shell: Shell,
    api: &'static Api,
    at: &'static str,
    group: &'static Group,
    operation: &'static Operation,
    curl: String,
}

/// The page of a call, or of calls that belong together.
async fn show(
    Inside { shell, .. }: Inside,
    Path((_, name)): Path<(String, String)>,
    headers: http::HeaderMap,
) -> Answer {
    if let Some(group) = API.group(&name) {
        return page(&GroupPage { shell, api: &API, at: &group.name, group });
    }
    let Some((group, operation)) = API.operation(&name) else { return no_such_page().await };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:7878");
    let curl = curl(operation, &shell, host);
    page(&OperationPage { shell, api: &API, at: &operation.id, group, operation, curl })
}

impl OperationPage {
    /// What stands in a field before anybody fills it in.
    fn prefilled(&self, parameter: &Parameter) -> String {
        if parameter.name == "tenant_id" { self.shell.tenant.id.to_string() } else { String::new() }
    }
}

/// The call as a command, for whoever has no scripts, and until they run.
fn curl(operation: &Operation, shell: &Shell, host: &str) -> String {
    let path = operation.path.replace("{tenant_id}", &shell.tenant.id.to_string());
    let scheme = if host.starts_with("127.") || host.starts_with("localhost") { "http" } else { "https" };
    let mut lines = vec![format!("curl -X {} '{scheme}://{host}{path}'", operation.method)];
    if !operation.is_open {
        lines.push("-H \"Authorization: Bearer $TOKEN\"".to_owned());
    }
    if let Some(body) = &operation.body {
        lines.push(format!("-H 'Content-Type: {}'", body.media));
        lines.push(format!("-d '{}'", body.example.replace('\'', "'\\''")));
    }
    lines.join(" \\\n  ")
}

/// Lends the page a token that acts as the person until their session ends, or for an hour. The page keeps it in its memory.
async fn lend(
    State(app): State<App>,
    visitor: Visitor,
    Inside { caller, .. }: Inside,
    Form(_): Form,
) -> Answer<Response> {
    let token = app.control.lend_token(&visitor.present, caller.tenant_id())?;
    let answer = TokenAnswer {
        access_token: token.0,
        token_type: "Bearer".to_owned(),
        expires_in: TOKEN_LIFETIME.as_secs(),
        refresh_token: None,
        tenant_id: Some(caller.tenant_id()),
    };
    Ok(secret_json(StatusCode::OK, &answer))
}

/// Lines that the field of a body has.
fn rows(body: &Body) -> usize {
    body.example.lines().count().clamp(3, 16) + 1
}

/// A text in which code stands between backticks: its parts, and which of them are code.
fn prose(text: &str) -> Vec<(bool, &str)> {
    text.split('`')
        .enumerate()
        .map(|(place, part)| (place % 2 == 1, part))
        .filter(|(_, part)| !part.is_empty())
        .collect()
}
