//! Who sends events.

use http::StatusCode;
use http::request::Parts;
use keystile_bearer::Credential;
use keystile_core::{Ask, Permission, Requirement, Stamp};
use keystile_manage::Bearer;

use crate::extract::{good, origin, read_credential};
use crate::problem::ApiProblem;
use crate::request_log::Noted;
use crate::state::App;

/// What is put on the events of whoever sent this request: a key that may send events, or a token that was made from one.
pub(super) async fn stamp_of(parts: &Parts, app: &App) -> Result<Stamp, ApiProblem> {
    let origin = origin(parts);
    let right = &[Permission::WRITE_EVENTS];
    let ask = Ask { ip: origin.ip, permissions: Requirement::All(right), ..Ask::ANYTHING };
    let verdict = match read_credential(parts, app)? {
        Credential::Key(key) => app.verifier.verify(key, &ask).await,
        Credential::Token(token) => match app.control.check_token(token)? {
            Bearer::Automation(automation) => app.verifier.verify_held(automation.key().digest, &ask).await,
            Bearer::Person(person) => {
                app.control.arrive(&person, origin).await?;
                return Err(forbidden(
                    "events are sent with an API key that has a `source_id`, not by people",
                ));
            }
        },
    };
    Noted::of(parts).key_of(&verdict);
    let key = good(app, verdict)?;
    let source_id = key.source_id().ok_or_else(|| {
        forbidden("the API key has no `source_id`, in whose name it could send events; give it one")
    })?;
    Ok(Stamp {
        tenant_id: key.tenant_id(),
        environment: key.environment(),
        application_id: key.application_id(),
        key_id: key.id(),
        source_id: source_id.to_owned(),
        trust_level: key.trust_level(),
    })
}

fn forbidden(why: &'static str) -> ApiProblem {
    ApiProblem::new(StatusCode::FORBIDDEN, "forbidden", why)
}
