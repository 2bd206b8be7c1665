//! Taking a provider of models away.

use askama::Template;
use axum::extract::State;
use keystile_core::{Invalid, ProviderId};
use keystile_manage::KnownProvider;

use super::path_of;
use crate::form::{Form, Wrong};
use crate::keys::one_line;
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "llm/provider_delete.html")]
struct Ask {
    shell: Shell,
    known: KnownProvider,
    wrong: Wrong,
}

impl Ask {
    fn path(&self) -> String {
        format!("{}/delete", self.back())
    }

    /// What has to be typed.
    fn name(&self) -> String {
        one_line(self.known.provider.name.as_str())
    }

    fn back(&self) -> String {
        path_of(&self.shell, self.known.provider.id)
    }
}

/// Says what will happen.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
) -> Answer {
    let known = app.control.provider(&caller, id).await?;
    page(&Ask { shell, known, wrong: Wrong::default() })
}

/// Does it, if the name is typed where it must be.
pub(super) async fn delete(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<ProviderId>,
    Form(fields): Form,
) -> Answer {
    let known = app.control.provider(&caller, id).await?;
    let done = if one_line(fields.text("typed")) == one_line(known.provider.name.as_str()) {
        let work = move |app: App| async move { app.control.delete_provider(&caller, id).await };
        app.commit(work).await.map_err(ApiProblem::from)
    } else {
        Err(Invalid::new("typed", "type the name exactly as it stands above").into())
    };
    match done {
        Ok(()) => go_to(&shell.path("providers?told=provider-deleted"), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { shell, known, wrong })
        }
    }
}
