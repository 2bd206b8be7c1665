//! Which requests there are.

use http::{HeaderMap, Method};

/// Whose shapes are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    OpenAi,
    Anthropic,
}

impl Shape {
    /// The shape of a path without `/v1`. Both have `models`; who speaks to Anthropic says which version.
    pub(crate) fn of(place: &str, headers: &HeaderMap) -> Self {
        let is_theirs = place == "messages" || place.starts_with("messages/");
        let lists_theirs = place.starts_with("models") && headers.contains_key("anthropic-version");
        if is_theirs || lists_theirs { Self::Anthropic } else { Self::OpenAi }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Chat,
    Completions,
    Embeddings,
    Moderations,
    Images,
    Speech,
    /// Transcriptions and translations.
    Hearing,
    Responses,
    ResponsesTokens,
    ReadResponse(String),
    ForgetResponse(String),
    CancelResponse(String),
    Models,
    Model(String),
    Messages,
    CountTokens,
}

impl Route {
    /// The route of a path without `/v1`; nothing when there is none.
    pub(crate) fn of(method: &Method, place: &str) -> Option<Self> {
        let route = match (method.as_str(), place) {
            ("POST", "chat/completions") => Self::Chat,
            ("POST", "completions") => Self::Completions,
            ("POST", "embeddings") => Self::Embeddings,
            ("POST", "moderations") => Self::Moderations,
            ("POST", "images/generations" | "images/edits" | "images/variations") => Self::Images,
            ("POST", "audio/speech") => Self::Speech,
            ("POST", "audio/transcriptions" | "audio/translations") => Self::Hearing,
            ("POST", "responses") => Self::Responses,
            ("POST", "responses/input_tokens") => Self::ResponsesTokens,
            ("POST", "messages") => Self::Messages,
            ("POST", "messages/count_tokens") => Self::CountTokens,
            ("GET", "models") => Self::Models,
            (method, place) => return Self::of_one(method, place),
        };
        Some(route)
    }

    /// A route that names a thing.
    fn of_one(method: &str, place: &str) -> Option<Self> {
        let (kind, name) = place.split_once('/')?;
        match (method, kind, name.strip_suffix("/cancel")) {
            ("POST", "responses", Some(id)) => Some(Self::CancelResponse(id.to_owned())),
            ("GET", "responses", None) => Some(Self::ReadResponse(name.to_owned())),
            ("DELETE", "responses", None) => Some(Self::ForgetResponse(name.to_owned())),
            ("GET", "models", None) => Some(Self::Model(name.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_told_by_method_and_path() {
        let of = |method: &str, place| Route::of(&method.parse().unwrap(), place);
        assert_eq!(of("POST", "chat/completions"), Some(Route::Chat));
        assert_eq!(of("POST", "responses/resp_1/cancel"), Some(Route::CancelResponse("resp_1".to_owned())));
        assert_eq!(of("DELETE", "responses/resp_1"), Some(Route::ForgetResponse("resp_1".to_owned())));
        assert_eq!(of("GET", "models/org/name"), Some(Route::Model("org/name".to_owned())));
        assert_eq!((of("GET", "chat/completions"), of("POST", "files")), (None, None));
    }
}
