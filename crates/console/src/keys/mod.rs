//! API keys: the list, and everything that happens in the life of one.

mod bulk;
mod create;
mod deed;
mod draft;
mod edit;
mod filled;
mod issued;
mod list;
mod renew;
mod scope;
mod sheet;
mod show;
mod story;
mod usage;
mod used_from;

use std::time::Duration;

use keystile_core::{ApiKey, Timestamp};

pub(super) use self::deed::{deeds, one_line};
pub(super) use self::issued::server;
pub(super) use self::scope::{Archived, Choices, applications, customer_name};
pub(super) use self::sheet::period_name;
pub(super) use self::usage::meaning;
use super::table::{Pages, get, post};

/// A key whose end is nearer than this is told to be ending soon.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/keys", get(list::list))
        .route("/keys/bulk", post(bulk::carry_out))
        .route("/keys/new", get(create::form).post(create::create))
        .route("/keys/permissions", get(create::permissions))
        .route("/keys/{api_key_id}", get(show::show))
        .route("/keys/{api_key_id}/edit", get(edit::form).post(edit::edit))
        .route("/keys/{api_key_id}/rotate", get(renew::rotation).post(renew::rotate))
        .route("/keys/{api_key_id}/regenerate", get(renew::regeneration).post(renew::regenerate))
        .route("/keys/{api_key_id}/{deed}", get(deed::form).post(deed::carry_out))
}

/// When a key that can be used now, and soon no more, ends.
fn ends_soon(key: &ApiKey, now: Timestamp) -> Option<Timestamp> {
    let lives = key.revoked.is_none() && key.deleted.is_none();
    key.expires_at.filter(|end| lives && *end > now && *end <= now.plus(SOON))
}

/// Whether the secret of a key is older than the tenant lets secrets grow.
fn rotation_is_due(key: &ApiKey, now: Timestamp, rotation_days: u16) -> bool {
    key.rotation_due_at(now, rotation_days).is_some_and(|due| due <= now)
}
