//! Forms: read only when they were sent from a page of ours, and shown again with what is wrong.

use std::fmt::Display;

use axum::extract::{FromRequest, Request};
use http::header::{HOST, HeaderMap, ORIGIN};
use http::{HeaderName, StatusCode};
use keystile_core::Secret;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::cookie;
use super::shell::form_token;
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::body::{MAX_BODY, MAX_EARLY, read_form};
use keystile_web::problem::ApiProblem;

/// The field in which every form proves that it is ours.
pub(super) const TOKEN_FIELD: &str = "form_token";
/// Longest form in which a table of models may stand: LiteLLM's has some 1.5 MB, and a half more as browsers write it.
const MAX_LONG: usize = 4 * MAX_BODY;
/// Where a request comes from, as browsers tell it.
pub(super) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What was filled in. It may hold secrets, so it cannot print, and its memory is wiped.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// What stands in a field, without space around it; nothing in one that is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.whole(name).trim()
    }

    /// The same, if anything stands there.
    pub(super) fn filled(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// What stands in all fields of this name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let of_name = self.0.iter().filter(|(key, _)| key == name);
        of_name.map(|(_, value)| value.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    }

    /// The lines, or words between commas, of a field.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let parts = self.text(name).split(['\n', ',']).map(str::trim);
        parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a box is ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Whether `value` is among what stands in fields of this name.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.0.iter().any(|(key, text)| key == name && text == value)
    }

    /// A secret, as it is; none when nothing stands there.
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        Some(self.whole(name)).filter(|text| !text.is_empty()).map(Secret::new)
    }

    /// A secret that has to be there: what stands in the field, be it nothing.
    pub(super) fn required_secret(&self, name: &str) -> Secret {
        Secret::new(self.whole(name))
    }

    /// Writes into a field in which nothing stands yet.
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        if self.text(name).is_empty() {
            self.0.retain(|(key, _)| key != name);
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    fn whole(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl From<Vec<(String, String)>> for Fields {
    fn from(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Fields {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Vec::from(pairs.map(|(name, text)| (name.to_owned(), text.to_owned()))).into()
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        for (_, value) in &mut self.0 {
            value.zeroize();
        }
    }
}

/// A form of somebody who is signed in.
pub(super) struct Form(pub(super) Fields);

impl FromRequest<App> for Form {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        read_ours(request, app, MAX_BODY).await.map(Self)
    }
}

/// The same, in which a table of models may stand.
pub(super) struct LongForm(pub(super) Fields);

impl FromRequest<App> for LongForm {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        read_ours(request, app, MAX_LONG).await.map(Self)
    }
}

/// A form of somebody who is not signed in yet.
pub(super) struct OpenForm(pub(super) Fields);

impl FromRequest<App> for OpenForm {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        read(request, app, MAX_EARLY).await.map(Self)
    }
}

async fn read_ours(request: Request, app: &App, longest: usize) -> Answer<Fields> {
    let expected = cookie::session(request.headers()).map(|session| form_token(&session));
    let fields = read(request, app, longest).await?;
    let shown = fields.whole(TOKEN_FIELD).as_bytes();
    let is_ours = expected.is_some_and(|expected| expected.as_bytes().ct_eq(shown).into());
    if is_ours { Ok(fields) } else { Err(foreign()) }
}

async fn read(request: Request, app: &App, longest: usize) -> Answer<Fields> {
    let (parts, body) = request.into_parts();
    if !is_from_here(&parts.headers) {
        return Err(foreign());
    }
    let fields: Vec<(String, String)> = read_form(&parts.headers, body, &app.reading, longest).await?;
    Ok(fields.into())
}

/// Whether a page of this server sent the form. Every browser of the last years tells one way or the other.
fn is_from_here(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return site == "same-origin";
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(ORIGIN).and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, host)| text(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host)))
}

fn foreign() -> ApiProblem {
    let detail = "this form was not sent from a page of this console, or the page is older than your session; \
        load the page again and repeat";
    ApiProblem::new(StatusCode::FORBIDDEN, "form_not_ours", detail)
}

/// What is wrong with a form.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    fields: Vec<(String, String)>,
    rest: Option<String>,
}

impl Wrong {
    /// Something that is no field's fault.
    pub(super) fn altogether(what: impl Into<String>) -> Self {
        Self { fields: Vec::new(), rest: Some(what.into()) }
    }

    /// Something that is wrong with one field.
    pub(super) fn at(field: &str, rule: &str) -> Self {
        Self { fields: vec![(field.to_owned(), rule.to_owned())], rest: None }
    }

    /// What whoever filled the form in can mend; anything else is a page of its own.
    ///
    /// # Errors
    /// The problem itself.
    pub(super) fn mendable(problem: ApiProblem) -> Answer<Self> {
        match problem.status() {
            _ if problem.was_sent_before() => Err(problem),
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                Ok(Self::from(&problem))
            }
            _ => Err(problem),
        }
    }

    /// What is wrong with a field, or with a part of it.
    pub(super) fn of(&self, field: &str) -> Option<&str> {
        let is_part = |name: &str| {
            name.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        self.fields.iter().find(|(name, _)| is_part(name)).map(|(_, rule)| rule.as_str())
    }

    /// What is wrong with this field itself, and not with a part of it.
    pub(super) fn exactly(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, rule)| rule.as_str())
    }

    /// What is wrong with a part of a field, with the part's name.
    pub(super) fn within(&self, field: &str) -> Option<String> {
        let part = |name: &str| name.strip_prefix(field)?.strip_prefix('.').map(str::to_owned);
        self.fields.iter().find_map(|(name, rule)| part(name).map(|part| format!("{part} {rule}")))
    }

    /// The same of an item of a list.
    pub(super) fn within_item(&self, list: &str, index: impl Display) -> Option<String> {
        self.within(&format!("{list}[{index}]"))
    }

    /// What is wrong with no field that the form shows.
    pub(super) fn rest(&self, shown: &[&str]) -> Option<String> {
        let is_shown = |name: &str| shown.iter().any(|field| name.starts_with(field));
        let others: Vec<_> = self.fields.iter().filter(|(name, _)| !is_shown(name)).collect();
        let others = others.iter().map(|(name, rule)| format!("{name} {rule}"));
        let all: Vec<_> = self.rest.iter().cloned().chain(others).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.rest.is_none()
    }
}

/// The fields whose value somebody else has, by the code that tells so.
const TAKEN: &[(&str, &str)] =
    &[("name_taken", "name"), ("external_id_taken", "external_id"), ("email_taken", "email")];

impl From<&ApiProblem> for Wrong {
    fn from(problem: &ApiProblem) -> Self {
        if let Some((_, field)) = TAKEN.iter().find(|(code, _)| *code == problem.code()) {
            return Self { fields: vec![((*field).to_owned(), problem.detail().to_owned())], rest: None };
        }
        let fields: Vec<_> =
            problem.errors().iter().map(|error| (error.field.clone(), error.message.clone())).collect();
        let rest = fields.is_empty().then(|| problem.detail().to_owned());
        Self { fields, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let sent = |pairs: &[(HeaderName, &str)]| {
            is_from_here(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        assert!(sent(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(sent(&[(ORIGIN, "https://keys.example.com"), (HOST, "keys.example.com")]));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!sent(&[(SEC_FETCH_SITE, site), (ORIGIN, "http://a"), (HOST, "a")]), "{site}");
        }
        assert!(!sent(&[(ORIGIN, "https://evil.example.com"), (HOST, "keys.example.com")]));
        assert!(!sent(&[(ORIGIN, "null"), (HOST, "null")]) && !sent(&[(HOST, "keys.example.com")]));
    }

    #[test]
    fn a_rule_of_a_part_is_told_at_its_field() {
        let wrong = Wrong { fields: vec![("scopes[2]".to_owned(), "is odd".to_owned())], rest: None };
        assert_eq!([wrong.of("scopes"), wrong.of("scope"), wrong.of("name")], [Some("is odd"), None, None]);
        assert_eq!(wrong.rest(&["name"]), Some("scopes[2] is odd".to_owned()));
        assert_eq!(wrong.rest(&["scopes"]), None);
    }
}
