//! Language models: who provides them, what is offered of them and for which price, and the keys that are given to use them.

mod keys;
mod models;
mod providers;
mod snippet;

use super::table::Pages;

pub(super) fn routes() -> Pages {
    Pages::new().merge(keys::routes()).merge(models::routes()).merge(providers::routes())
}

/// Somebody or something to choose.
struct Choice {
    id: String,
    name: String,
}
