//! Making a tenant.

use askama::Template;
use axum::extract::State;
use keystile_wire::CreateTenant;

use super::super::form::{Form, Wrong};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Frame;
use super::super::visitor::Own;
use super::super::{assets, parts};
use crate::api::Answer;
use crate::extract::CameFrom;
use crate::problem::ApiProblem;
use crate::state::App;

#[derive(Template)]
#[template(path = "tenant/new.html")]
struct Ask {
    frame: Frame,
    request: CreateTenant,
    wrong: Wrong,
}

impl Ask {
    fn label(&self) -> &str {
        self.request.key_label.as_deref().unwrap_or_default()
    }
}

pub(super) async fn ask(own: Own) -> Answer {
    page(&Ask { frame: own.frame, request: CreateTenant::default(), wrong: Wrong::default() })
}

/// Makes it; whoever does owns it.
pub(super) async fn make(
    State(app): State<App>,
    own: Own,
    CameFrom(origin): CameFrom,
    Form(fields): Form,
) -> Answer {
    let Own { present, frame, .. } = own;
    let request =
        CreateTenant { name: fields.text("name").to_owned(), key_label: fields.filled("key_label") };
    let make = async {
        let (name, label) = request.parse().map_err(ApiProblem::invalid)?;
        Ok(app.control.create_tenant(&present.signed_in(), name, label, &origin).await?)
    };
    match make.await {
        Ok(founded) => {
            go_to(&format!("/console/{}?told=tenant-created", founded.tenant.id), frame.surroundings)
        }
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { frame, request, wrong })
        }
    }
}
