//! The handlers of the REST API, one file per resource.

pub(crate) mod addresses;
mod answer;
pub(crate) mod applications;
pub(crate) mod asking;
pub mod audit;
pub(crate) mod batch;
pub(crate) mod catalogue;
pub(crate) mod customers;
pub mod entities;
mod estimate;
pub mod events;
pub(crate) mod health;
pub mod holds;
pub mod ingest;
pub(crate) mod integration;
pub(crate) mod invitations;
pub(crate) mod issuing;
pub mod jobs;
pub mod keys;
pub(crate) mod leak_intake;
pub(crate) mod leaks;
pub mod ledger;
pub mod logs;
pub(crate) mod members;
pub mod models;
pub(crate) mod oauth;
pub(crate) mod overview;
pub(crate) mod passwords;
pub(crate) mod providers;
mod question;
pub(crate) mod routing;
mod saved;
pub(crate) mod second_factor;
pub(crate) mod sessions;
pub(crate) mod setup;
mod shown;
pub(crate) mod sign_in;
pub(crate) mod tenants;
pub mod usage;
pub(crate) mod verification;
pub mod webhooks;
pub(crate) mod whoami;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use keystile_core::Invalid;
use keystile_store::Page;
use keystile_wire::{Listing, MAX_PAGE, check_sought};
use serde::Serialize;
use std::str::FromStr;

use crate::problem::ApiProblem;

/// What a handler gives back.
pub type Answer<T = Response> = Result<T, ApiProblem>;

/// Items on a page unless the caller says otherwise.
const DEFAULT_PAGE: u16 = 50;

/// A JSON body with a status.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    (status, axum::Json(body)).into_response()
}

/// A JSON body that shows a secret.
pub fn secret_json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut response = json(status, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Names the version of the record in the body.
fn with_version(mut response: Response, version: i64) -> Response {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Names where the new record is.
fn with_location(mut response: Response, path: String) -> Response {
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(LOCATION, path);
    }
    response
}

/// A text to look for, as it may stand in a query.
pub fn sought(field: &'static str, text: Option<String>) -> Answer<Option<String>> {
    if let Some(text) = &text {
        check_sought(field, text)?;
    }
    Ok(text)
}

/// The page a caller asks for. One item more is read, to know whether there is a next page.
pub fn page_of<Id: FromStr<Err = Invalid>>(
    limit: Option<u16>,
    cursor: Option<&str>,
) -> Answer<(Page<Id>, usize)> {
    let limit = page_size(limit)?;
    let cursor = cursor.map(str::parse).transpose();
    let after = cursor.map_err(|_| Invalid::new("cursor", "must be the `next_cursor` of a page"))?;
    Ok((Page { after, limit: u32::from(limit) + 1 }, usize::from(limit)))
}

/// How many items a page is to have.
pub fn page_size(limit: Option<u16>) -> Answer<u16> {
    let limit = limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Invalid::new("limit", format!("must be from 1 to {MAX_PAGE}")).into());
    }
    Ok(limit)
}

/// One page of `limit` items; `cursor` names the last item on it.
pub fn listing<T, V>(
    mut items: Vec<T>,
    limit: usize,
    cursor: impl Fn(&T) -> String,
    view: impl FnMut(T) -> V,
) -> Listing<V> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = if more { items.last().map(cursor) } else { None };
    Listing { data: items.into_iter().map(view).collect(), next_cursor }
}
