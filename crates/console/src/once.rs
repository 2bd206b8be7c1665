//! Forms that make something are carried out once, however often they are sent: by a second click, by loading the answer
//! again, from a page that one has gone back to.
//!
//! Such a form is given a name when it is shown. What came of it is kept under that name, as an answer of the API is under an
//! idempotency key; but not the page, in which a secret may stand, only what the page was about.

use std::fmt::{self, Display};
use std::time::Duration;

use askama::Template;
use axum::extract::{FromRequest, OriginalUri, Request};
use http::StatusCode;
use keystile_bearer::IN_PROGRESS;
use keystile_core::text::check_word;
use keystile_core::{Digest, Secret};
use keystile_manage::{Asked, Asker, Conflict, Refused, Repeated};

use super::form::{Fields, Form, TOKEN_FIELD};
use super::shell::Shell;
use super::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::once::carry_out;
use keystile_web::problem::{ANSWER_LOST, ApiProblem};

/// The field in which a form carries its name.
const NAME_FIELD: &str = "form_name";
/// Longest that a name can be, in bytes; ours have 69.
const MAX_NAME: usize = 100;
/// How often a repeat looks whether the first attempt has ended, and how long it waits in between: two seconds are more than
/// nearly all take, and a browser waits with whoever clicked twice.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// The name of a form that makes something.
pub(super) struct FormName(Secret);

impl FormName {
    /// A new one, for a form that is about to be shown.
    pub(super) fn new(app: &App) -> Answer<Self> {
        Ok(Self(app.control.name_request()?))
    }
}

impl Display for FormName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.expose())
    }
}

/// A form that makes something: what was filled in, and what [`once`] has to know of it.
pub(super) struct MakingForm(pub(super) Fields, pub(super) Option<Asked>);

impl FromRequest<App> for MakingForm {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let uri = request.extensions().get().map_or(request.uri(), |OriginalUri(uri)| uri);
        let path = uri.path().to_owned();
        let Form(fields) = Form::from_request(request, app).await?;
        let asked = asked(&fields, path)?;
        Ok(Self(fields, asked))
    }
}

/// What a form asks, if it has a name. The name counts in the session that it was made for, and for that one form. What else
/// stands in it makes no other request of it: whoever goes back and sends it with other words is shown what came of it, too.
fn asked(fields: &Fields, path: String) -> Answer<Option<Asked>> {
    let Some(name) = fields.filled(NAME_FIELD) else { return Ok(None) };
    let name = check_word(&name, MAX_NAME).map_err(|invalid| invalid.at(NAME_FIELD))?;
    let key = Secret::new(format!("{} {name}", fields.text(TOKEN_FIELD)));
    Ok(Some(Asked { key, path, body: Digest::of(NAME_FIELD.as_bytes()) }))
}

/// What came of a form.
pub(super) enum Sent<T> {
    /// It was carried out just now.
    Now(T),
    /// It was carried out before, and this was kept of it.
    Before(String),
}

impl Sent<String> {
    /// What was made, now or before.
    pub(super) fn made(self) -> String {
        match self {
            Self::Now(made) | Self::Before(made) => made,
        }
    }
}

/// Carries a form out, unless that was done before. `keeps` says what is kept of what was made: never a secret.
pub(super) async fn once<T, F>(
    app: &App,
    asker: Asker,
    asked: Option<Asked>,
    keeps: impl FnOnce(&T) -> String + Send + 'static,
    work: impl FnOnce(App) -> F + Send + 'static,
) -> Answer<Sent<T>>
where
    T: Send + 'static,
    F: Future<Output = Answer<T>> + Send + 'static,
{
    let Some(asked) = asked else { return work(app.clone()).await.map(Sent::Now) };
    let attempt = match begun(app, asker, &asked).await.map_err(in_words)? {
        Repeated::Not(attempt) => attempt,
        Repeated::With(kept) => {
            return String::from_utf8(kept).map(Sent::Before).map_err(|_| ApiProblem::internal());
        }
    };
    let made = carry_out(app, attempt, |app| async move {
        let made = work(app).await?;
        let kept = keeps(&made).into_bytes();
        Ok((made, kept))
    });
    made.await.map(Sent::Now)
}

/// Begins, or waits for an earlier attempt to end: browsers show the answer to the last click.
async fn begun(app: &App, asker: Asker, asked: &Asked) -> Result<Repeated, Refused> {
    for _ in 0..LOOKS {
        match app.control.begin(asker, asked).await {
            Err(Refused::Conflict(Conflict::IdempotencyInProgress)) => tokio::time::sleep(PAUSE).await,
            known => return known,
        }
    }
    app.control.begin(asker, asked).await
}

/// A refusal for people, who know nothing of idempotency keys.
fn in_words(refused: Refused) -> ApiProblem {
    let (code, detail) = match refused {
        Refused::Conflict(Conflict::IdempotencyInProgress) => (
            IN_PROGRESS,
            "what this form asks for is being done at this moment; load the page again to see what came of it",
        ),
        Refused::Conflict(Conflict::IdempotencyAnswerLost) | Refused::IdempotencyKeyReused => (
            ANSWER_LOST,
            "this form was sent before, and what came of it was lost; look whether it is done before you fill in another",
        ),
        other => return other.into(),
    };
    ApiProblem::new(StatusCode::CONFLICT, code, detail)
}

/// What is shown in place of a secret to whoever sends a form again.
#[derive(Template)]
#[template(path = "sent_before.html")]
pub(super) struct SentBefore {
    pub(super) shell: Shell,
    /// What was made the first time.
    pub(super) made: String,
    /// What helps whoever has not seen the first answer.
    pub(super) lost: &'static str,
    /// Where that is done, and what the link says.
    pub(super) remedy: (String, &'static str),
    /// Where what was made is shown, and what the link says.
    pub(super) place: (String, &'static str),
    /// Where another one is made, and what the link says; nothing where the remedy makes it.
    pub(super) another: Option<(String, &'static str)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: &str, name: &str) -> Option<String> {
        let fields = [(TOKEN_FIELD, session), (NAME_FIELD, name)];
        let fields = fields.map(|(field, text)| (field.to_owned(), text.to_owned()));
        let asked = asked(&Vec::from(fields).into(), "/console/ten_1/keys/new".to_owned()).unwrap();
        asked.map(|asked| asked.key.expose().to_owned())
    }

    #[test]
    fn the_name_of_a_form_counts_in_its_session_alone() {
        assert!(key("a", "once_1").is_some() && key("a", "").is_none());
        assert_eq!(key("a", "once_1"), key("a", "once_1"));
        assert_ne!(key("a", "once_1"), key("b", "once_1"));
        assert_ne!(key("a", "once_1"), key("a", "once_2"));
    }

    #[test]
    fn what_can_be_no_name_of_a_form_is_refused() {
        for name in ["two words", &"x".repeat(MAX_NAME + 1)] {
            let fields = vec![(NAME_FIELD.to_owned(), name.to_owned())];
            let refused = asked(&fields.into(), String::new()).unwrap_err();
            assert_eq!(refused.errors()[0].field, NAME_FIELD, "{name}");
        }
    }
}
