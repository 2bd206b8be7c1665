//! Making a tenant.

use askama::Template;
use axum::extract::State;
use keystile_wire::CreateTenant;

use super::super::form::Wrong;
use super::super::once::{FormName, MakingForm, once};
use super::super::page::{go_to, page, unprocessable};
use super::super::shell::Frame;
use super::super::visitor::Own;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::CameFrom;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "tenant/new.html")]
struct Ask {
    frame: Frame,
    form_name: FormName,
    request: CreateTenant,
    wrong: Wrong,
}

impl Ask {
    fn label(&self) -> &str {
        self.request.key_label.as_deref().unwrap_or_default()
    }
}

pub(super) async fn ask(State(app): State<App>, own: Own) -> Answer {
    let (request, wrong) = Default::default();
    page(&Ask { frame: own.frame, form_name: FormName::new(&app)?, request, wrong })
}

/// Makes it; whoever does owns it.
pub(super) async fn make(
    State(app): State<App>,
    own: Own,
    CameFrom(origin): CameFrom,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    let Own { present, frame, .. } = own;
    let request =
        CreateTenant { name: fields.text("name").to_owned(), key_label: fields.filled("key_label") };
    let make = async {
        let (name, label) = request.parse().map_err(ApiProblem::invalid)?;
        let (asker, signed_in) = (present.asker(), present.signed_in());
        let work = move |app: App| async move {
            let founded = app.control.create_tenant(&signed_in, name, label, &origin).await?;
            Ok(founded.tenant.id.to_string())
        };
        once(&app, asker, asked, String::clone, work).await
    };
    match make.await {
        Ok(sent) => go_to(&format!("/console/{}?told=tenant-created", sent.made()), frame.surroundings),
        Err(problem) => {
            let (wrong, form_name) = (Wrong::mendable(problem)?, FormName::new(&app)?);
            unprocessable(&Ask { frame, form_name, request, wrong })
        }
    }
}
