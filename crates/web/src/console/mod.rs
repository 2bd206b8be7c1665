//! The console: pages for people, made here and sent whole. A page is a template of `templates/` and the struct that
//! fills it; forms are answered with the page again, or with a redirect. What a page shows and does comes from `manage`,
//! as everywhere; whoever looks at it is a [`Visitor`](visitor::Visitor), who carries a session in a cookie.
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
mod issued;
mod keys;
mod links;
mod members;
mod overview;
mod page;
mod parts;
mod playground;
mod request_limits;
mod shell;
mod sought;
mod tenant;
mod told;
mod trouble;
mod visitor;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};

use crate::state::App;

/// Where the console is.
pub(crate) const CONSOLE: &str = "/console";

/// Words of the console's paths that no path of the API has.
const WORDS: &[&str] = &[
    "console",
    "sign-in",
    "sign-out",
    "setup",
    "account",
    "invitation",
    "reset",
    "new",
    "edit",
    "assets",
    "bulk",
    "delete",
    "second-factor",
    "remove",
    "end",
    "end-others",
    "look",
    "invite",
    "withdraw",
    "role",
    "archive",
    "restore",
    "new-permission",
    "gateways",
    "check",
    "playground",
    "token",
];

/// The words of the console's paths, which may stand in a log.
pub(crate) fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().copied().chain(shell::sections())
}

/// Everything below [`CONSOLE`], and the way there.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(async || axum::response::Redirect::to(CONSOLE)))
        .route("/console/assets/{version}/{name}", get(assets::serve))
        .merge(short_ways())
        .nest(CONSOLE, pages())
}

/// Pages of the console that are known by shorter paths.
fn short_ways() -> Router<App> {
    let playground = Router::new().route(playground::SHORT_PATH, get(playground::enter));
    playground.layer(from_fn(trouble::show)).layer(from_fn(headers::add))
}

fn pages() -> Router<App> {
    Router::new()
        .route("/", get(door::enter))
        .route("/sign-in", get(door::sign_in).post(door::try_sign_in))
        .route("/sign-out", post(door::sign_out))
        .merge(account::routes())
        .merge(links::routes())
        .merge(tenant::routes())
        .nest("/{tenant_id}", in_tenant())
        .fallback(trouble::no_such_page)
        .method_not_allowed_fallback(trouble::no_such_method)
        .layer(from_fn(trouble::show))
        .layer(from_fn(headers::add))
}

/// The pages of one tenant.
fn in_tenant() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .merge(keys::routes())
        .merge(customers::routes())
        .merge(events::routes())
        .merge(applications::routes())
        .merge(audit::routes())
        .merge(playground::routes())
        .merge(members::routes())
        .merge(tenant::routes_in_tenant())
}
