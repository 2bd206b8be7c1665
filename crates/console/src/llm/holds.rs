//! Holds that are open, and settling one in another's place.

use askama::Template;
use axum::extract::State;
use keystile_core::HoldId;
use keystile_core::quota::OpenHold;
use keystile_manage::{Caller, Names, Right};
use keystile_wire::{HoldListQuery, SettleHoldByHand};

use crate::as_json::{AsJson, amount, number};
use crate::form::{Fields, Form, Wrong};
use crate::page::{go_to, page, unprocessable};
use crate::shell::Shell;
use crate::sought::{Asked, Sought};
use crate::table::{Pages, get};
use crate::visitor::Inside;
use crate::{assets, money, parts, words};
use keystile_web::App;
use keystile_web::api::holds::settled_by_hand;
use keystile_web::api::ledger::written;
use keystile_web::api::{Answer, listing, page_of};
use keystile_web::extract::PathId;

pub(super) fn routes() -> Pages {
    Pages::new().route("/holds", get(list)).route("/holds/{hold_id}/settle", get(ask).post(settle))
}

#[derive(Template)]
#[template(path = "llm/holds.html")]
struct List {
    shell: Shell,
    holds: Vec<OpenHold>,
    names: Names,
    asked: Asked,
    next: Option<String>,
}

impl List {
    /// What the key is called that a hold is for; its id if nobody knows.
    fn key_name(&self, hold: &OpenHold) -> String {
        let id = hold.whose.key_id.to_string();
        self.names.of(&id).unwrap_or(&id).to_owned()
    }
}

/// A page of the holds that are open.
async fn list(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    Sought { query, asked }: Sought<HoldListQuery>,
) -> Answer {
    let (which, limit) = page_of::<HoldId>(query.limit, query.cursor.as_deref())?;
    written(&app, &caller).await?;
    let holds = app.control.open_holds(&caller, query.key_id, which).await?;
    let listed = listing(holds, limit, |hold| hold.id.to_string(), |hold| hold);
    let names = app.control.names_in_holds(&caller, &listed.data).await?;
    let next = listed.next_cursor.map(|cursor| asked.with("cursor", &cursor));
    page(&List { shell, holds: listed.data, names, asked, next })
}

/// Who has to settle it.
fn origin(hold: &OpenHold) -> &'static str {
    words::origin(hold.origin).name
}

/// The most that the request can cost.
fn most(hold: &OpenHold) -> String {
    money::exact(hold.cost)
}

#[derive(Template)]
#[template(path = "llm/hold_settle.html")]
struct Ask {
    shell: Shell,
    hold: OpenHold,
    typed: Fields,
    wrong: Wrong,
}

impl Ask {
    fn path(&self) -> String {
        self.shell.path(&format!("holds/{}/settle", self.hold.id))
    }

    fn back(&self) -> String {
        self.shell.path("holds")
    }
}

/// Asks what was used, and why somebody settles it in another's place.
async fn ask(State(app): State<App>, Inside { caller, shell }: Inside, PathId(id): PathId<HoldId>) -> Answer {
    let hold = open(&app, &caller, id).await?;
    page(&Ask { shell, hold, typed: Fields::default(), wrong: Wrong::default() })
}

/// Settles it.
async fn settle(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<HoldId>,
    Form(typed): Form,
) -> Answer {
    let hold = open(&app, &caller, id).await?;
    let settled = match said(&typed) {
        Ok(request) => settled_by_hand(&app, &caller, id, &request).await.map(drop),
        Err(problem) => Err(problem),
    };
    match settled {
        Ok(()) => go_to(&shell.path("holds?told=hold-settled"), shell.surroundings),
        Err(problem) => {
            let wrong = Wrong::mendable(problem)?;
            unprocessable(&Ask { shell, hold, typed, wrong })
        }
    }
}

/// A hold that is open, for somebody who may settle it.
async fn open(app: &App, caller: &Caller, id: HoldId) -> Answer<OpenHold> {
    caller.require(Right::CorrectSpend)?;
    written(app, caller).await?;
    Ok(app.control.open_hold(caller, id).await?)
}

fn said(typed: &Fields) -> Answer<SettleHoldByHand> {
    let actual = AsJson::default()
        .with("tokens", number(typed.text("actual.tokens")))
        .with("cost_usd", amount(typed.text("actual.cost_usd")));
    AsJson::default().with("actual", actual.into()).text("reason", typed).read()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_settled_with_what_was_typed_and_what_is_left_empty_as_it_was_held() {
        let typed = [("actual.tokens", "120"), ("actual.cost_usd", ""), ("reason", "the worker died")];
        let request = said(&Fields::from(typed)).unwrap();
        assert_eq!((request.actual.tokens, request.actual.cost_usd), (Some(120), None));
        assert_eq!(request.reason.as_deref(), Some("the worker died"));
        let broken = said(&Fields::from([("actual.cost_usd", "0,5")])).unwrap_err();
        assert_eq!(broken.errors()[0].field, "actual.cost_usd");
    }
}
