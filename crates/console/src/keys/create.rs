//! A new key.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::KeyKind;
use keystile_manage::{Caller, Right};
use serde::Deserialize;

use super::draft::{self, EXPIRIES};
use super::filled;
use super::issued::{self, Occasion, issue};
use super::sheet::{PERIODS, Sheet};
use crate::form::{Fields, Wrong};
use crate::once::{FormName, MakingForm};
use crate::page::{page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::Query;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "keys/new.html")]
struct NewKey {
    shell: Shell,
    form_name: FormName,
    sheet: Sheet,
}

#[derive(Template)]
#[template(path = "keys/permissions.html")]
struct Permissions {
    sheet: Sheet,
}

/// What a link to the form fills in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    application_id: String,
    #[serde(default)]
    customer_id: String,
    #[serde(default)]
    kind: String,
}

impl Given {
    /// The kind of the key; the usual one unless another is named.
    fn kind(&self) -> &str {
        if KeyKind::NAMES.contains(&self.kind.as_str()) { &self.kind } else { "service" }
    }
}

/// The form.
pub(super) async fn form(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Query(given): Query<Given>,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let settings = app.control.tenant(&caller).await?.settings;
    let mut blank =
        filled::blank(settings.default_trust_level.as_str(), &given.application_id, &given.customer_id);
    blank.fill("kind", given.kind());
    let sheet = Sheet::new(&app, &caller, blank, Wrong::default()).await?;
    page(&NewKey { shell, form_name: FormName::new(&app)?, sheet })
}

/// The permissions of another application, to pick from.
pub(super) async fn permissions(
    State(app): State<App>,
    Inside { caller, .. }: Inside,
    Query(given): Query<Given>,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let blank = filled::blank("", &given.application_id, "");
    page(&Permissions { sheet: Sheet::new(&app, &caller, blank, Wrong::default()).await? })
}

/// Makes the key, and shows its secret.
pub(super) async fn create(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    headers: HeaderMap,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    if fields.is_ticked("again") {
        let sheet = Sheet::new(&app, &caller, fields, Wrong::default()).await?;
        return page(&NewKey { shell, form_name: FormName::new(&app)?, sheet });
    }
    let sent = async {
        let draft = draft::creation(&fields, shell.now).map_err(ApiProblem::invalid)?;
        let create = |app: App, caller: Caller| async move { app.control.create_key(&caller, draft).await };
        issue(&app, &caller, asked, create).await
    };
    match sent.await {
        Ok(sent) => issued::answer(&app, (&caller, shell), &headers, sent, Occasion::Created).await,
        Err(problem) => again(&app, Inside { caller, shell }, fields, problem).await,
    }
}

async fn again(app: &App, Inside { caller, shell }: Inside, fields: Fields, problem: ApiProblem) -> Answer {
    let wrong = Wrong::mendable(problem)?;
    let sheet = Sheet::new(app, &caller, fields, wrong).await?;
    unprocessable(&NewKey { shell, form_name: FormName::new(app)?, sheet })
}
