//! What an application needs of keys, by method and path: shown, tried, and changed as text.

mod text;

use askama::Template;
use axum::extract::State;
use keystile_core::route::{Needed, Route, Routed, Table, Unmatched};
use keystile_core::{Application, ApplicationId, Environment, Invalid};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::SetRouting;
use serde::Deserialize;

use self::text::{Fault, Lines, methods, needs, read_hosts, read_routes};
use super::super::form::{Fields, Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Shell;
use super::super::sought::{Asked, Sought};
use super::super::visitor::Inside;
use super::super::{assets, parts};
use super::{TABS, path_of};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::authz::foretold;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

/// Routes that the page shows before it leads to the text of all of them.
const SHOWN: usize = 200;

/// A request to try.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
}

/// What would become of it.
enum Tried {
    Nothing,
    Passes { line: Option<String>, environment: Option<Environment> },
    Refused(String),
}

#[derive(Template)]
#[template(path = "applications/routing.html")]
struct Show {
    shell: Shell,
    tab: &'static str,
    application: Application,
    routed: Routed,
    asked: Asked,
    tried: Tried,
}

/// The routes and hosts of an application, and what they say of a request that is tried.
pub(super) async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Sought { query, asked }: Sought<Trial>,
) -> Answer {
    let application = app.control.application(&caller, id).await?;
    let routed = app.control.routing(&caller, id).await?;
    let tried = query.of(&routed)?;
    page(&Show { shell, tab: "/routing", application, routed, asked, tried })
}

/// The word between the permissions of a route.
const fn joint(route: &Route) -> &'static str {
    match route.permissions {
        Needed::All(_) => "and",
        Needed::Any(_) => "or",
    }
}

impl Trial {
    fn of(self, routed: &Routed) -> Answer<Tried> {
        let Some(path) = self.path else { return Ok(Tried::Nothing) };
        let method = self.method.unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase();
        let host = self.host.unwrap_or_default();
        let table = Table::new(routed.routing.clone())?;
        let told = foretold(&table, (&method, &path, &host));
        Ok(match told {
            Ok((route, environment)) => {
                let line = route.map(|route| format!("{} {} {}", methods(route), route.path, needs(route)));
                Tried::Passes { line, environment }
            }
            Err(why) => Tried::Refused(why),
        })
    }
}

#[derive(Template)]
#[template(path = "applications/edit_routing.html")]
struct Edit {
    shell: Shell,
    application: Application,
    /// What stands in it.
    typed: Fields,
    host_faults: Vec<Fault>,
    route_faults: Vec<Fault>,
    wrong: Wrong,
}

impl Edit {
    fn path(&self) -> String {
        path_of(&self.shell, self.application.id, "/routing/edit")
    }

    fn back_path(&self) -> String {
        path_of(&self.shell, self.application.id, "/routing")
    }

    fn of(shell: Shell, application: Application, routed: &Routed) -> Self {
        let routing = &routed.routing;
        let unmatched = if routing.routes.is_empty() { Unmatched::Refuse } else { routing.unmatched };
        let typed = Fields::from([
            ("version", routed.version.to_string().as_str()),
            ("hosts", &text::hosts(&routing.hosts)),
            ("routes", &text::routes(&routing.routes)),
            ("unmatched", &unmatched.to_string()),
        ]);
        Self {
            shell,
            application,
            typed,
            host_faults: Vec::new(),
            route_faults: Vec::new(),
            wrong: Wrong::default(),
        }
    }
}

/// The form of the routes and hosts.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    let routed = app.control.routing(&caller, id).await?;
    page(&Edit::of(shell, application, &routed))
}

/// What is wrong with a form of routes and hosts.
#[derive(Default)]
struct Faults {
    hosts: Vec<Fault>,
    routes: Vec<Fault>,
    rest: Wrong,
}

/// Replaces the routes and hosts.
pub(super) async fn change(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ApplicationId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageApplications)?;
    let application = app.control.application(&caller, id).await?;
    let Err(faults) = carry_out(&app, caller, id, &fields).await? else {
        return go_to(&path_of(&shell, id, "/routing?told=routing-saved"), shell.surroundings);
    };
    unprocessable(&Edit {
        shell,
        application,
        typed: fields,
        host_faults: faults.hosts,
        route_faults: faults.routes,
        wrong: faults.rest,
    })
}

async fn carry_out(
    app: &App,
    caller: Caller,
    id: ApplicationId,
    fields: &Fields,
) -> Answer<Result<(), Faults>> {
    let (hosts, routes) = match (read_hosts(fields.text("hosts")), read_routes(fields.text("routes"))) {
        (Ok(hosts), Ok(routes)) => (hosts, routes),
        (hosts, routes) => {
            let (hosts, routes) = (hosts.err().unwrap_or_default(), routes.err().unwrap_or_default());
            return Ok(Err(Faults { hosts, routes, rest: Wrong::default() }));
        }
    };
    let request = SetRouting {
        hosts: hosts.items.clone(),
        routes: routes.items.clone(),
        unmatched: fields.text("unmatched").parse().ok().filter(|_| !routes.items.is_empty()),
        version: None,
    };
    let version = fields.text("version").parse();
    let version =
        version.map_err(|_| Invalid::new("version", "must be the version that the form was opened with"));
    let guard = VersionGuard(Some(version?));
    let outcome = async {
        let routing = request.parse().map_err(ApiProblem::invalid)?;
        let change =
            move |app: App| async move { app.control.set_routing(&caller, id, routing, guard).await };
        Ok::<_, ApiProblem>(app.commit(change).await?)
    };
    match outcome.await {
        Ok(_) => Ok(Ok(())),
        Err(problem) => located(problem, &hosts, &routes).map(Err),
    }
}

/// Puts what the API says of `routes[3].path` to the line on which that route stands.
fn located<H, R>(problem: ApiProblem, hosts: &Lines<H>, routes: &Lines<R>) -> Answer<Faults> {
    let mut faults = Faults::default();
    for error in problem.errors() {
        let (field, told) = (&error.field, &error.message);
        if let Some(line) = line_of(field, "hosts[", hosts) {
            faults
                .hosts
                .push(Fault { line, what: format!("{} {}", part(field), in_lines(told, "hosts[", hosts)) });
        } else if let Some(line) = line_of(field, "routes[", routes) {
            faults
                .routes
                .push(Fault { line, what: format!("{} {}", part(field), in_lines(told, "routes[", routes)) });
        }
    }
    if faults.hosts.is_empty() && faults.routes.is_empty() {
        faults.rest = Wrong::mendable(problem)?;
    }
    Ok(faults)
}

/// The line of the item that a field is part of.
fn line_of<T>(field: &str, list: &str, lines: &Lines<T>) -> Option<usize> {
    lines.line_of(place(field, list)?)
}

/// A rule that names another item of the list, with that one's line instead.
fn in_lines<T>(told: &str, list: &str, lines: &Lines<T>) -> String {
    let named = told.find(list).and_then(|begin| told.get(begin..));
    match named.and_then(|named| Some((place(named, list)?, line_of(named, list, lines)?))) {
        Some((place, line)) => told.replace(&format!("{list}{place}]"), &format!("line {line}")),
        None => told.to_owned(),
    }
}

/// `3` of `routes[3].path`.
fn place(field: &str, list: &str) -> Option<usize> {
    field.strip_prefix(list)?.split(']').next()?.parse().ok()
}

/// `path` of `routes[3].path`.
fn part(field: &str) -> &str {
    field.split_once("].").map_or("", |(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_says_of_a_route_is_told_at_its_line() {
        let routes =
            read_routes("GET /a\n\nGET no-path\nGET /a").unwrap_or_else(|faults| panic!("{faults:?}"));
        let hosts = read_hosts("").unwrap_or_else(|faults| panic!("{faults:?}"));
        let request = SetRouting { routes: routes.items.clone(), ..SetRouting::default() };
        let problem = ApiProblem::invalid(request.parse().unwrap_err());
        let faults = located(problem, &hosts, &routes).unwrap();
        assert_eq!((faults.routes.len(), faults.routes[0].line, faults.hosts.len()), (1, 3, 0));
        assert!(faults.routes[0].what.starts_with("path must"), "{}", faults.routes[0].what);
        assert!(faults.rest.is_empty());
        let told = in_lines("covers the same as routes[2], `/a`", "routes[", &routes);
        assert_eq!(told, "covers the same as line 4, `/a`");
        assert_eq!(
            in_lines("stands in routes[x] and routes[9]", "routes[", &routes),
            "stands in routes[x] and routes[9]"
        );
    }
}
