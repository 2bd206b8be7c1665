//! Checking the chain of the log, and what that proves.

use askama::Template;
use axum::extract::State;
use keystile_core::audit::check::{Fault, Verified};
use keystile_core::{ChainHead, Invalid};
use keystile_manage::{Caller, Proof};

use super::super::form::{Form, Wrong};
use super::super::page::{page, unprocessable};
use super::super::shell::Shell;
use super::super::visitor::Inside;
use super::super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

/// What a check found.
enum Found {
    NotYet,
    Good(Verified),
    Bad(Fault),
}

#[derive(Template)]
#[template(path = "audit/check.html")]
struct Check {
    shell: Shell,
    proof: Proof,
    /// What was noted, as it was typed.
    head: String,
    found: Found,
    wrong: Wrong,
}

/// Where the log ends, and the way to check it.
pub(super) async fn ask(State(app): State<App>, Inside { caller, shell }: Inside) -> Answer {
    let proof = app.control.audit_proof(&caller).await?;
    page(&Check { shell, proof, head: String::new(), found: Found::NotYet, wrong: Wrong::default() })
}

/// Checks the log.
pub(super) async fn check(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Form(fields): Form,
) -> Answer {
    let head = fields.text("head").to_owned();
    let outcome = carry_out(&app, &caller, &head).await;
    let proof = app.control.audit_proof(&caller).await?;
    match outcome {
        Ok(found) => page(&Check { shell, proof, head, found, wrong: Wrong::default() }),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Check { shell, proof, head, found: Found::NotYet, wrong })
        }
    }
}

async fn carry_out(app: &App, caller: &Caller, head: &str) -> Answer<Found> {
    let noted = Some(head).filter(|head| !head.is_empty()).map(str::parse::<ChainHead>).transpose();
    let noted = noted.map_err(|invalid: Invalid| ApiProblem::from(invalid.at("head")))?;
    Ok(match app.control.check_audit(caller, noted).await? {
        Ok(good) => Found::Good(good),
        Err(fault) => Found::Bad(fault),
    })
}
