//! The settings of a key.

use askama::Template;
use axum::extract::State;
use keystile_core::KeyId;
use keystile_manage::{Refused, Right};

use super::draft::{self, EXPIRIES};
use super::renew::guard;
use super::sheet::{PERIODS, Sheet};
use crate::form::{Form, Wrong};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts, words};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "keys/edit.html")]
struct Edit {
    shell: Shell,
    sheet: Sheet,
    key: keystile_core::ApiKey,
    application: String,
    /// Whether somebody changed the key since the form was made.
    has_moved: bool,
}

impl Edit {
    fn is_llm(&self) -> bool {
        draft::is_llm(&self.key)
    }

    fn spends(&self) -> bool {
        draft::spends(&self.key)
    }
}

/// The form.
pub(super) async fn form(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let application = app.control.application(&caller, key.application_id).await?.name.to_string();
    let sheet = Sheet::of(&app, &caller, key.clone(), None, Wrong::default()).await?;
    page(&Edit { shell, sheet, key, application, has_moved: false })
}

/// Writes the settings.
pub(super) async fn edit(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let guard = guard(&fields)?;
    let changed = match draft::change(&fields, &key, shell.now) {
        Ok(patch) => {
            let by = caller.clone();
            app.commit(|app| async move { app.control.patch_key(&by, id, patch, guard).await }).await
        }
        Err(broken) => Err(Refused::Invalid(broken)),
    };
    let (wrong, has_moved) = match changed {
        Ok(_) => return go_to(&shell.path(&format!("keys/{id}?told=key-changed")), shell.surroundings),
        Err(Refused::VersionConflict { .. }) => (Wrong::default(), true),
        Err(refused) => (Wrong::mendable(ApiProblem::from(refused))?, false),
    };
    // As it is by now: what is sent next is meant for that.
    let key = if has_moved { app.control.key(&caller, id).await? } else { key };
    let application = app.control.application(&caller, key.application_id).await?.name.to_string();
    let mut sheet = Sheet::of(&app, &caller, key.clone(), Some(fields), wrong).await?;
    if !has_moved {
        sheet.version = sheet.typed.text("version").to_owned();
    }
    unprocessable(&Edit { shell, sheet, key, application, has_moved })
}
