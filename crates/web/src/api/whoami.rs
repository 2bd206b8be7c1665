//! A key's own view.

use axum::extract::{Request, State};
use http::StatusCode;
use keystile_bearer::Credential;
use keystile_core::Ask;
use keystile_manage::{Bearer, Origin};
use keystile_verify::{LimitLeft, Verdict};
use keystile_wire::{LimitState, WhoamiView};

use super::estimate::{Quotas, left};
use super::verification::verdict;
use super::{Answer, json};
use crate::extract::{origin, read_credential};
use crate::metrics::Face;
use crate::problem::ApiProblem;
use crate::request_log::Noted;
use crate::state::App;

/// What the key in hand is, may do, and has left. Takes any key that can be used here and now, or its token, and counts against no
/// limit; it is a use all the same. People are told by `GET /api/v1/auth/me`.
#[utoipa::path(get, path = "/api/v1/whoami", tag = "verification", responses(
    (status = 200, body = WhoamiView, description = "The key."),
))]
pub(crate) async fn whoami(State(app): State<App>, request: Request) -> Answer {
    let (parts, _) = request.into_parts();
    let origin = origin(&parts);
    let verdict = match read_credential(&parts, &app)? {
        Credential::Key(key) => verdict(&app, key, &free_of_charge(&origin)).await,
        Credential::Token(token) => of_token(&app, token, origin).await?,
    };
    app.metrics.decided(Face::Caller, verdict.code());
    Noted::of(&parts).key_of(&verdict);
    let state = |left: LimitLeft<'_>| LimitState::left(left.owner, left.rate, left.count);
    let limits = verdict.limits().map(state).collect();
    verdict.outcome.map_err(|refusal| ApiProblem::decision(&refusal))?;
    let key = verdict.key.ok_or_else(ApiProblem::unauthenticated)?;
    let Quotas { tokens, budget, .. } = left(&app, &key).await;
    let view = WhoamiView { tokens, budget, ..WhoamiView::of(key.facts(), limits) };
    Ok(json(StatusCode::OK, &view))
}

async fn of_token(app: &App, token: &str, origin: Origin) -> Answer<Verdict> {
    match app.control.check_token(token)? {
        Bearer::Automation(automation) => {
            Ok(app.verifier.verify_held(automation.key().digest, &free_of_charge(&origin)).await)
        }
        Bearer::Person(person) => {
            app.control.arrive(&person, origin).await?;
            let rule = "this tells of API keys; `GET /api/v1/auth/me` tells of people";
            Err(ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", rule))
        }
    }
}

/// Whoever has used a limit up is to see that.
fn free_of_charge(origin: &Origin) -> Ask<'static> {
    Ask { ip: origin.ip, cost: 0, ..Ask::ANYTHING }
}
