//! Events, and the entities that they are about: to look at, as sources alone change them.

use askama::Template;
use axum::extract::State;
use keystile_core::{EntityName, Environment, EventId, StoredEvent};
use keystile_manage::Names;
use keystile_store::KnownEntity;
use keystile_wire::{EntityListQuery, EntityQuery, EventListQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::page::page;
use super::pretty::pretty;
use super::shell::Shell;
use super::sought::{Asked, Sought};
use super::table::{Pages, get};
use super::visitor::Inside;
use super::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::{self, Answer};
use keystile_web::extract::{PathEntity, PathId};

pub(super) fn routes() -> Pages {
    Pages::new()
        .route("/events", get(list))
        .route("/events/{event_id}", get(show))
        .route("/entities", get(entities))
        .route("/entities/{entity_type}/{entity_id}", get(entity))
}

#[derive(Template)]
#[template(path = "events/list.html")]
struct List {
    shell: Shell,
    events: Vec<StoredEvent>,
    asked: Asked,
    next: Option<String>,
    /// Only some events were looked at yet, among which are fewer than a page has.
    is_part: bool,
}

/// A page of the tenant's events.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<EventListQuery>,
) -> Answer {
    let (found, limit) = api::events::events(&app, &caller, query).await?;
    let is_part = found.next.is_some() && found.events.len() < usize::from(limit);
    let next = found.next.map(|id| asked.with("cursor", &id.to_string()));
    page(&List { shell, events: found.events, asked, next, is_part })
}

#[derive(Template)]
#[template(path = "events/show.html")]
struct Show {
    shell: Shell,
    event: StoredEvent,
    data: String,
    names: Names,
}

impl Show {
    /// What a thing is called that the event names; its id if nobody knows.
    fn name_of(&self, id: &impl ToString) -> String {
        let id = id.to_string();
        self.names.of(&id).unwrap_or(&id).to_owned()
    }
}

/// The page of an event.
async fn show(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<EventId>,
) -> Answer {
    let event = app.control.event(&caller, id).await?;
    let data = pretty(event.data.get());
    let names = app.control.names_in_event(&caller, &event).await?;
    page(&Show { shell, event, data, names })
}

#[derive(Template)]
#[template(path = "events/entities.html")]
struct Entities {
    shell: Shell,
    entities: Vec<KnownEntity>,
    asked: Asked,
    next: Option<String>,
}

/// A page of the entities that are known.
async fn entities(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<EntityListQuery>,
) -> Answer {
    let listed = api::entities::entities(&app, &caller, query).await?;
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&Entities { shell, entities: listed.data, asked, next })
}

#[derive(Template)]
#[template(path = "events/entity.html")]
struct Known {
    shell: Shell,
    known: KnownEntity,
}

/// The page of an entity.
async fn entity(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathEntity(name): PathEntity,
    Sought { query, .. }: Sought<EntityQuery>,
) -> Answer {
    let environment = query.environment.unwrap_or(Environment::Production);
    let known = app.control.entity(&caller, environment, &name).await?;
    page(&Known { shell, known })
}

/// The path of the page of an entity.
fn path_of(shell: &Shell, name: &EntityName, environment: impl parts::Shown<Environment>) -> String {
    let segment = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let (kind, id) = (segment(&name.entity_type), segment(&name.entity_id));
    shell.path(&format!("entities/{kind}/{id}?environment={}", environment.shown()))
}

/// The path of the events of an entity.
fn events_of(shell: &Shell, known: &KnownEntity) -> String {
    let asked = Asked::default();
    let (environment, name) = (known.environment.to_string(), known.name.to_string());
    shell.path("events") + &asked.with_all(&[("environment", &environment), ("entity", &name)])
}
