//! What a list is asked to show, and the paths of its other pages.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use keystile_web::App;
use keystile_web::body::parse_fields;
use keystile_web::problem::ApiProblem;

/// What a page adds to a query for itself.
const OWN: &[&str] = &["told", "sel", "act"];

/// The query of a list, as the API takes it. Forms send fields that are empty, which ask for nothing.
pub(super) struct Sought<T> {
    pub(super) query: T,
    /// As it was asked for, without what was empty.
    pub(super) asked: Asked,
}

impl<T: DeserializeOwned> FromRequestParts<App> for Sought<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiProblem> {
        let pairs: Vec<(String, String)> = parse_fields(parts.uri.query().unwrap_or_default().as_bytes())?;
        let means =
            |(name, value): &(String, String)| !value.trim().is_empty() && !OWN.contains(&name.as_str());
        let asked = Asked(pairs.into_iter().filter(means).collect());
        Ok(Self { query: parse_fields(asked.written().as_bytes())?, asked })
    }
}

/// What was asked for, field by field.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(Vec<(String, String)>);

impl Asked {
    /// What was asked for in a field; nothing in one that was left empty.
    pub(super) fn of(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether anything narrows the list.
    pub(super) fn narrows(&self) -> bool {
        self.0.iter().any(|(name, _)| !["cursor", "limit", "sort", "order"].contains(&name.as_str()))
    }

    /// Whether this is not the first page.
    pub(super) fn is_further(&self) -> bool {
        !self.of("cursor").is_empty()
    }

    /// The same query with another value in one field; none when it is empty. A list that is asked for anew begins at its beginning.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        self.with_all(&[(name, value)])
    }

    /// The same with other values in several fields.
    pub(super) fn with_all(&self, changes: &[(&str, &str)]) -> String {
        let is_kept = |key: &str| key != "cursor" && changes.iter().all(|(name, _)| *name != key);
        let kept = self.0.iter().filter(|(key, _)| is_kept(key));
        let changed = changes.iter().filter(|(_, value)| !value.is_empty()).copied();
        let pairs = kept.map(|(key, value)| (key.as_str(), value.as_str())).chain(changed);
        format!("?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
    }

    /// The query as it was asked for.
    pub(super) fn written(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pairs: &[(&str, &str)]) -> Asked {
        Asked(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_changed_filter_begins_at_the_first_page() {
        let all = asked(&[("q", "a b"), ("status", "active"), ("cursor", "key_1")]);
        assert_eq!(all.with("status", "expired"), "?q=a+b&status=expired");
        assert_eq!(all.with("status", ""), "?q=a+b");
        assert_eq!(all.with("cursor", "key_2"), "?q=a+b&status=active&cursor=key_2");
        assert_eq!(all.with_all(&[("sort", "name"), ("q", "")]), "?status=active&sort=name");
        assert!(all.narrows() && all.is_further());
        assert!(!asked(&[("cursor", "key_1"), ("sort", "name")]).narrows());
    }
}
