//! The keys that are given to use language models, with what each has left.

use askama::Template;
use axum::extract::State;
use futures_util::future::join_all;
use http::HeaderMap;
use keystile_core::key::KeyCursor;
use keystile_core::{ApiKey, KeyKind, Timestamp};
use keystile_manage::{Caller, ModelQuery, Right};
use keystile_store::{KeyPage, Page};
use keystile_verify::Room;
use keystile_wire::KeyListQuery;

use super::budget::{Budget, room};
use super::snippet::{USUAL_MODEL, python};
use crate::keys::server;
use crate::page::page;
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::table::{Pages, get};
use crate::visitor::Inside;
use crate::{assets, parts, window, words};
use keystile_web::App;
use keystile_web::api::keys::filter;
use keystile_web::api::{Answer, listing, page_size};

/// Patterns of models that a row shows before it counts the others.
const MODELS_SHOWN: usize = 3;

pub(super) fn routes() -> Pages {
    Pages::new().route("/llm-keys", get(list))
}

/// A key as the list shows it.
struct Row {
    key: ApiKey,
    /// What the names of models that it may use are like.
    models: Vec<String>,
    limits: String,
    budget: Option<Budget>,
}

impl Row {
    fn shown(&self) -> &[String] {
        self.models.get(..MODELS_SHOWN).unwrap_or(&self.models)
    }

    fn further(&self) -> usize {
        self.models.len().saturating_sub(MODELS_SHOWN)
    }
}

/// What is there already of what it takes.
struct Ready {
    has_provider: bool,
    has_model: bool,
}

#[derive(Template)]
#[template(path = "llm/keys.html")]
struct List {
    shell: Shell,
    rows: Vec<Row>,
    asked: Asked,
    next: Option<String>,
    ready: Ready,
    snippet: String,
}

/// A page of the keys of that kind.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<KeyListQuery>,
    headers: HeaderMap,
) -> Answer {
    let query = KeyListQuery { kind: Some("virtual_llm".to_owned()), ..query };
    let (limit, sort, order) = (page_size(query.limit)?, query.sort(), query.order());
    let which = KeyPage { sort, order, after: query.after()?, limit: u32::from(limit) + 1 };
    let rotation_days = app.control.rotation_days(&caller).await?;
    let found = app.control.look_for_keys(&caller, &filter(query, shell.now, rotation_days)?, which).await?;
    let listed = listing(found.keys, limit.into(), |key| KeyCursor::of(key, sort).to_string(), |key| key);
    let looked_to = found.looked_to.map(|place| place.to_string());
    let next = listed.next_cursor.or(looked_to).map(|cursor| asked.with("cursor", &cursor));
    // All at once, so that they are read and asked about together.
    let mut asking = Vec::with_capacity(listed.data.len());
    for key in &listed.data {
        asking.push(room(&app, key));
    }
    let rooms = join_all(asking).await;
    let rows = listed.data.into_iter().zip(rooms).map(|(key, room)| row(key, &room, shell.now)).collect();
    let ready = ready(&app, &caller).await?;
    let snippet = python(&server(&headers), USUAL_MODEL);
    page(&List { shell, rows, asked, next, ready, snippet })
}

fn row(key: ApiKey, room: &Room, now: Timestamp) -> Row {
    let models = match &key.kind {
        KeyKind::VirtualLlm { allowed_models } => {
            allowed_models.iter().map(|pattern| pattern.as_str().to_owned()).collect()
        }
        KeyKind::Service { .. } | KeyKind::User { .. } | KeyKind::Ingest => Vec::new(),
    };
    Row { models, limits: window::summary(&key), budget: Budget::of(&key, room, now), key }
}

/// Whether there is a provider and a model. Of a tenant that has a model nothing else is asked.
async fn ready(app: &App, caller: &Caller) -> Answer<Ready> {
    let one = Page { after: None, limit: 1 };
    let has_model = !app.control.models(caller, &ModelQuery::default(), one).await?.is_empty();
    let may_see = !has_model && caller.require(Right::ManageModels).is_ok();
    let has_provider = has_model || (may_see && !app.control.providers(caller).await?.is_empty());
    Ok(Ready { has_provider, has_model })
}
