//! From where keys are used.

use axum::extract::State;
use http::StatusCode;
use keystile_core::KeyId;
use keystile_wire::{KeyAddressView, Listing};

use super::{Answer, json};
use crate::extract::{Member, PathId};
use crate::state::App;

/// List the addresses from which an API key was used in the last 30 days, the last seen first; also of one that is deleted. The last 32 are kept.
#[utoipa::path(get, path = "/api-keys/{api_key_id}/addresses", tag = "keys",
    params(("tenant_id" = String, Path), ("api_key_id" = String, Path)), responses(
    (status = 200, body = Listing<KeyAddressView>, description = "All of them."),
))]
pub(crate) async fn list_key_addresses(
    State(app): State<App>,
    Member(caller): Member,
    PathId(id): PathId<KeyId>,
) -> Answer {
    let history = app.control.history(&caller, id).await?;
    let addresses = app.control.key_addresses(history).await?;
    let data: Vec<_> = addresses.into_iter().map(KeyAddressView::from).collect();
    Ok(json(StatusCode::OK, &Listing { data, next_cursor: None }))
}
