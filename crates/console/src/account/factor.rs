//! Enrolling, confirming and removing a second factor.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use keystile_core::Secret;
use keystile_manage::{Conflict, Enrolment, Refused};

use super::super::door::shown_factor;
use super::super::form::{Form, Wrong};
use super::super::once::{FormName, MakingForm, Sent, once};
use super::super::page::{go_to, into_target, page, page_with, page_with_secret, unprocessable};
use super::super::shell::{Frame, Surroundings};
use super::super::visitor::Own;
use super::super::{assets, parts};
use super::ACCOUNT;
use super::password::NOT_THE_PASSWORD;
use super::qr::Qr;
use keystile_web::App;
use keystile_web::api::Answer;

/// Where the answer to a wrong code is put, so that the secret stays on the page.
const CODE_ANSWER: &str = "#code-answer";

#[derive(Template)]
#[template(path = "account/factor_ask.html")]
struct Ask {
    frame: Frame,
    has_factor: bool,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "account/factor_secret.html")]
struct ShowSecret {
    frame: Frame,
    form_name: FormName,
    /// In groups, as they are typed.
    secret: Secret,
    qr: Option<Qr>,
}

impl ShowSecret {
    fn groups(&self) -> Vec<&str> {
        self.secret
            .expose()
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect()
    }
}

#[derive(Template)]
#[template(path = "account/factor_code.html")]
struct AskCode {
    frame: Frame,
    form_name: FormName,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "account/factor_codes.html")]
struct ShowCodes {
    frame: Frame,
    codes: Vec<Secret>,
}

#[derive(Template)]
#[template(path = "account/factor_before.html")]
struct ConfirmedBefore {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "account/factor_remove.html")]
struct Remove {
    frame: Frame,
    has_factor: bool,
    wrong: Wrong,
}

/// Asks for the password: a session that was left open is not enough.
pub(super) async fn ask(own: Own) -> Answer {
    page(&Ask { frame: own.frame, has_factor: own.me.second_factor, wrong: Wrong::default() })
}

/// Makes a secret and shows it, this once.
pub(super) async fn enrol(State(app): State<App>, own: Own, Form(fields): Form) -> Answer {
    let Own { present, frame, .. } = own;
    let password = fields.required_secret("password");
    let work = |app: App| async move { app.control.enrol_totp(&present, password).await };
    let (has_factor, wrong) = match app.finish(work).await {
        Ok(Enrolment { secret, uri }) => {
            let (form_name, qr) = (FormName::new(&app)?, Qr::of(uri.expose()));
            return page_with_secret(&ShowSecret { frame, form_name, secret, qr });
        }
        Err(Refused::Conflict(Conflict::SecondFactor)) => (true, Wrong::default()),
        Err(Refused::WrongCredentials) => (false, Wrong::at("password", NOT_THE_PASSWORD)),
        Err(other) => (false, Wrong::mendable(other.into())?),
    };
    unprocessable(&Ask { frame, has_factor, wrong })
}

/// Confirms the secret with a code of it, and shows the recovery codes, this once.
pub(super) async fn confirm(
    State(app): State<App>,
    own: Own,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    let Own { present, frame, .. } = own;
    let (asker, code) = (present.asker(), fields.required_secret("code"));
    let work = |app: App| async move { Ok(app.control.confirm_totp(&present, &code).await?) };
    match once(&app, asker, asked, |_: &Vec<Secret>| String::new(), work).await {
        Ok(Sent::Now(codes)) => page_with_secret(&ShowCodes { frame, codes }),
        Ok(Sent::Before(_)) => page(&ConfirmedBefore { frame }),
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => {
            go_to(&format!("{ACCOUNT}/second-factor"), frame.surroundings)
        }
        Err(problem) => wrong_code(&app, frame, Wrong::mendable(problem)?),
    }
}

/// With scripts the secret stays where it is; without, the form alone is shown again.
fn wrong_code(app: &App, frame: Frame, wrong: Wrong) -> Answer<Response> {
    match frame.surroundings {
        Surroundings::Panel => {
            let rule = wrong.of("code").unwrap_or_default().to_owned();
            into_target(CODE_ANSWER, page_with(StatusCode::UNPROCESSABLE_ENTITY, &WrongCode { rule })?)
        }
        Surroundings::Page => unprocessable(&AskCode { frame, form_name: FormName::new(app)?, wrong }),
    }
}

#[derive(Template)]
#[template(source = "<p class=\"wrong\" id=\"code-wrong\">{{ rule }}</p>", ext = "html")]
struct WrongCode {
    rule: String,
}

pub(super) async fn ask_to_remove(own: Own) -> Answer {
    page(&Remove { frame: own.frame, has_factor: own.me.second_factor, wrong: Wrong::default() })
}

/// Removes it, which takes the password and the factor itself.
pub(super) async fn remove(State(app): State<App>, own: Own, Form(fields): Form) -> Answer {
    let Own { present, frame, .. } = own;
    let (password, shown) = (fields.required_secret("password"), shown_factor(&fields));
    let work = |app: App| async move { app.control.remove_totp(&present, password, shown).await };
    let wrong = match app.finish(work).await {
        Ok(()) => return go_to(&format!("{ACCOUNT}?told=factor-removed"), frame.surroundings),
        Err(Refused::WrongCredentials) => Wrong::altogether(EITHER_IS_WRONG),
        Err(Refused::SecondFactorMissing) => Wrong::at("code", "is needed as well"),
        Err(Refused::NotFound(_)) => {
            return page(&Remove { frame, has_factor: false, wrong: Wrong::default() });
        }
        Err(other) => Wrong::mendable(other.into())?,
    };
    unprocessable(&Remove { frame, has_factor: true, wrong })
}

const EITHER_IS_WRONG: &str = "The password or the code is wrong. A code can be used once: wait for the next one. After \
    ten failed attempts, each further one has to wait a while.";
