//! Correcting what was charged. The row stays, and another one tells the difference; to what it is corrected is said as a whole, so it
//! does not matter how often a form is sent.

use askama::Template;
use axum::extract::State;
use keystile_core::LedgerId;
use keystile_core::quota::LedgerEntry;
use keystile_manage::{Caller, Right};
use keystile_wire::CorrectCharge;

use super::charged;
use crate::as_json::{AsJson, amount};
use crate::form::{Fields, Form, Wrong};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;
use keystile_web::problem::ApiProblem;

#[derive(Template)]
#[template(path = "llm/ledger_correct.html")]
struct Ask {
    shell: Shell,
    row: LedgerEntry,
    typed: Fields,
    wrong: Wrong,
}

impl Ask {
    fn path(&self) -> String {
        format!("{}/correct", self.back())
    }

    fn back(&self) -> String {
        self.shell.path(&format!("ledger/{}", self.row.id))
    }
}

/// Asks what should be charged, and why.
pub(super) async fn ask(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<LedgerId>,
) -> Answer {
    caller.require(Right::CorrectSpend)?;
    let row = app.control.ledger_entry(&caller, id).await?;
    page(&Ask { shell, row, typed: Fields::default(), wrong: Wrong::default() })
}

/// Corrects it.
pub(super) async fn correct(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<LedgerId>,
    Form(typed): Form,
) -> Answer {
    caller.require(Right::CorrectSpend)?;
    let row = app.control.ledger_entry(&caller, id).await?;
    match carry_out(&app, caller, id, &typed).await {
        Ok(()) => go_to(&shell.path(&format!("ledger/{id}?told=charge-corrected")), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { shell, row, typed, wrong })
        }
    }
}

async fn carry_out(app: &App, caller: Caller, id: LedgerId, typed: &Fields) -> Answer<()> {
    let said = AsJson::default().with("amount_usd", amount(typed.text("amount_usd")));
    let request: CorrectCharge = said.required("reason", typed).read()?;
    let (charge, reason) = request.parse().map_err(ApiProblem::invalid)?;
    let work = move |app: App| async move { app.control.correct_charge(&caller, id, charge, reason).await };
    app.commit(work).await?;
    Ok(())
}
