//! Taking a model away.

use askama::Template;
use axum::extract::State;
use keystile_core::{Invalid, Model, ModelId};
use keystile_manage::Right;

use super::path_of;
use crate::form::{Form, Wrong};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "llm/model_delete.html")]
struct Ask {
    shell: Shell,
    model: Model,
    wrong: Wrong,
}

impl Ask {
    fn path(&self) -> String {
        format!("{}/delete", self.back())
    }

    fn back(&self) -> String {
        path_of(&self.shell, self.model.id)
    }
}

/// Says what will happen.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let model = app.control.model(&caller, id).await?;
    page(&Ask { shell, model, wrong: Wrong::default() })
}

/// Does it, if the name is typed where it must be.
pub(super) async fn delete(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ModelId>,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageModels)?;
    let model = app.control.model(&caller, id).await?;
    let done = if fields.text("typed") == model.name.as_str() {
        let work = move |app: App| async move { app.control.delete_model(&caller, id).await };
        app.commit(work).await.map_err(ApiProblem::from)
    } else {
        Err(Invalid::new("typed", "type the name exactly as it stands above").into())
    };
    match done {
        Ok(()) => go_to(&shell.path("models?told=model-deleted"), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { shell, model, wrong })
        }
    }
}
