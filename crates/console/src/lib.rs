//! The console: pages for people, made here and sent whole. A page is a template of `templates/` and the struct that
//! fills it; forms are answered with the page again, or with a redirect. What a page shows and does comes from `manage`,
//! as everywhere; whoever looks at it is a `Visitor`, who carries a session in a cookie.
//!
//! Pages work without scripts. With them, links with `data-panel` open their page in a panel over the one they
//! stand on: the same path answers without its surroundings then.

mod account;
mod applications;
mod as_json;
mod assets;
mod audit;
mod chart;
mod cookie;
mod customers;
mod door;
mod events;
mod form;
mod headers;
mod jobs;
mod keys;
mod leaks;
mod links;
mod llm;
#[cfg(test)]
mod loggable;
mod logs;
mod members;
mod money;
mod newest;
mod once;
mod overview;
mod page;
mod parts;
mod playground;
mod pretty;
mod request_limits;
mod shell;
mod sought;
mod sources;
mod table;
mod tenant;
mod told;
mod trouble;
mod visitor;
mod webhooks;
mod window;
mod words;

use std::collections::HashSet;

use axum::Router;
use axum::middleware::from_fn;
use axum::response::Redirect;

use self::table::{Pages, Place, get, post};
use keystile_web::{App, Site};

/// The console, to be served beside the API.
#[must_use]
pub fn site() -> Site {
    Site { router: routes(), words: words() }
}

/// Where the console is.
const CONSOLE: &str = "/console";

/// Everything that the console serves: the method, and the path with names in it for what is not always the same. A method
/// `HEAD` is served wherever `GET` is.
#[must_use]
pub fn places() -> Vec<(String, String)> {
    all_places().into_iter().map(|place| (place.method.to_string(), place.path)).collect()
}

/// All of that. What can be done to a key is one place for each word.
fn all_places() -> Vec<Place> {
    let inside = pages().into_places().into_iter().map(|place| place.below(CONSOLE));
    let all = files().into_places().into_iter().chain(short_ways().into_places()).chain(inside);
    all.flat_map(|place| place.with("{deed}", keys::deeds())).collect()
}

/// The words of the console's paths, which may stand in a log.
fn words() -> HashSet<String> {
    let places = all_places();
    let parts = places.iter().flat_map(|place| place.path.split('/'));
    parts.filter(|part| !part.starts_with('{')).map(str::to_owned).collect()
}

/// Everything below [`CONSOLE`], and the way there.
fn routes() -> Router<App> {
    let inside = pages().into_router().fallback(trouble::no_such_page);
    files().into_router().merge(as_pages(short_ways().into_router())).nest(CONSOLE, as_pages(inside))
}

/// Refusals become pages, and every page has the headers of one.
fn as_pages(router: Router<App>) -> Router<App> {
    let router = router.method_not_allowed_fallback(trouble::no_such_method);
    router.layer(from_fn(trouble::show)).layer(from_fn(headers::add))
}

/// What pages are made with, which is the same for everybody.
fn files() -> Pages {
    Pages::new().route("/console/assets/{version}/{name}", get(assets::serve))
}

/// Pages of the console that are known by shorter paths.
fn short_ways() -> Pages {
    Pages::new()
        .route("/", get(async || Redirect::to(CONSOLE)))
        .route("/console/", get(async || Redirect::to(CONSOLE)))
        .route(playground::SHORT_PATH, get(playground::enter))
}

fn pages() -> Pages {
    Pages::new()
        .route("/", get(door::enter))
        .route("/sign-in", get(door::sign_in).post(door::try_sign_in))
        .route("/sign-out", post(door::sign_out))
        .merge(account::routes())
        .merge(links::routes())
        .merge(tenant::routes())
        .nest("/{tenant_id}", in_tenant())
}

/// The pages of one tenant.
fn in_tenant() -> Pages {
    Pages::new()
        .route("/", get(overview::show))
        .merge(keys::routes())
        .merge(leaks::routes())
        .merge(customers::routes())
        .merge(events::routes())
        .merge(jobs::routes())
        .merge(sources::routes())
        .merge(applications::routes())
        .merge(logs::routes())
        .merge(audit::routes())
        .merge(playground::routes())
        .merge(members::routes())
        .merge(llm::routes())
        .merge(webhooks::routes())
        .merge(tenant::routes_in_tenant())
}
