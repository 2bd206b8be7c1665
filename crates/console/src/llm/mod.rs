//! Language models: who provides them, what is offered of them and for which price, the keys that are given to use them, and what
//! those have spent.

mod budget;
mod holds;
mod keys;
mod ledger;
mod models;
mod of_key;
mod price;
mod providers;
mod snippet;
mod spend;

use super::table::Pages;

pub(super) use self::of_key::{OfKey, of_key};

pub(super) fn routes() -> Pages {
    Pages::new()
        .merge(holds::routes())
        .merge(keys::routes())
        .merge(ledger::routes())
        .merge(models::routes())
        .merge(providers::routes())
        .merge(spend::routes())
}

/// Somebody or something to choose.
struct Choice {
    id: String,
    name: String,
}
