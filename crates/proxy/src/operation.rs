//! What a path of the gateway is for.

use http::{HeaderMap, HeaderName, Method};
use keystile_core::llm::{ModelName, Protocol};
use percent_encoding::percent_decode_str;

use crate::sse::LONGEST_EVENT;

/// What every client of Anthropic's API sends, and no other.
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
/// Longest event of operations whose events carry images, or the whole answer once more: an image of 4,096 pixels squared in base64.
const LONGEST_LARGE_EVENT: usize = 32 * LONGEST_EVENT;

/// What a request asks for. Each is metered by its own rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// A conversation goes on, in the form of OpenAI's first API for it.
    ChatCompletions,
    /// The same in the form of its second.
    Responses,
    /// A text goes on.
    Completions,
    /// Texts become vectors.
    Embeddings,
    /// Which models there are.
    Models,
    /// What one model is, by its name.
    Model(ModelName),
    /// Whether texts are harmful.
    Moderations,
    /// Images are made.
    ImagesGenerations,
    /// Images are changed.
    ImagesEdits,
    /// Images like one are made.
    ImagesVariations,
    /// A text is spoken.
    AudioSpeech,
    /// Speech is written down.
    AudioTranscriptions,
    /// Speech is written down in English.
    AudioTranslations,
    /// A conversation goes on, in the form of Anthropic's API.
    Messages,
    /// How many tokens a conversation has, in the same form.
    CountTokens,
}

/// Where a request leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To this operation.
    Found(Operation),
    /// To nothing that is served.
    Unknown,
    /// To something that is asked for by another method: that of the `Allow` field.
    WrongMethod(&'static str),
}

impl Operation {
    /// What `method` and `path` ask for. A query plays no part, nor does one slash at the end.
    pub fn of(method: &Method, path: &str) -> Route {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let Some(rest) = path.strip_prefix("/v1/") else { return Route::Unknown };
        match Self::named(rest.strip_suffix('/').unwrap_or(rest)) {
            Some(operation) if method.as_str() == operation.method() => Route::Found(operation),
            Some(operation) => Route::WrongMethod(operation.method()),
            None => Route::Unknown,
        }
    }

    fn named(rest: &str) -> Option<Self> {
        Some(match rest {
            "chat/completions" => Self::ChatCompletions,
            "responses" => Self::Responses,
            "completions" => Self::Completions,
            "embeddings" => Self::Embeddings,
            "models" => Self::Models,
            "moderations" => Self::Moderations,
            "images/generations" => Self::ImagesGenerations,
            "images/edits" => Self::ImagesEdits,
            "images/variations" => Self::ImagesVariations,
            "audio/speech" => Self::AudioSpeech,
            "audio/transcriptions" => Self::AudioTranscriptions,
            "audio/translations" => Self::AudioTranslations,
            "messages" => Self::Messages,
            "messages/count_tokens" => Self::CountTokens,
            _ => Self::Model(model_name(rest.strip_prefix("models/")?)?),
        })
    }

    const fn method(&self) -> &'static str {
        match self {
            Self::Models | Self::Model(_) => "GET",
            Self::ChatCompletions
            | Self::Responses
            | Self::Completions
            | Self::Embeddings
            | Self::Moderations
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::ImagesVariations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::Messages
            | Self::CountTokens => "POST",
        }
    }

    /// Which of the two protocols it belongs to. Both have models under one path: see [`Self::protocol_for`].
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Messages | Self::CountTokens => Protocol::Anthropic,
            Self::ChatCompletions
            | Self::Responses
            | Self::Completions
            | Self::Embeddings
            | Self::Models
            | Self::Model(_)
            | Self::Moderations
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::ImagesVariations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations => Protocol::OpenAi,
        }
    }

    /// The protocol in which a request with these headers is answered: for models that of the client, which Anthropic's clients tell by
    /// `anthropic-version`.
    pub fn protocol_for(&self, headers: &HeaderMap) -> Protocol {
        let is_models = matches!(self, Self::Models | Self::Model(_));
        if is_models && headers.contains_key(ANTHROPIC_VERSION) {
            return Protocol::Anthropic;
        }
        self.protocol()
    }

    /// The route in metrics and logs: a fixed text, without names of models.
    pub const fn route(&self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
            Self::Models => "/v1/models",
            Self::Model(_) => "/v1/models/{model}",
            Self::Moderations => "/v1/moderations",
            Self::ImagesGenerations => "/v1/images/generations",
            Self::ImagesEdits => "/v1/images/edits",
            Self::ImagesVariations => "/v1/images/variations",
            Self::AudioSpeech => "/v1/audio/speech",
            Self::AudioTranscriptions => "/v1/audio/transcriptions",
            Self::AudioTranslations => "/v1/audio/translations",
            Self::Messages => "/v1/messages",
            Self::CountTokens => "/v1/messages/count_tokens",
        }
    }

    /// The path behind a provider's base URL. That of OpenAI's protocol ends in `/v1`, that of Anthropic's does not: so their own clients
    /// take them. Models are never asked for upstream.
    pub fn path(&self) -> &'static str {
        let route = self.route();
        match self.protocol() {
            Protocol::OpenAi => route.strip_prefix("/v1").unwrap_or(route),
            Protocol::Anthropic => route,
        }
    }

    /// Whether it costs nothing, whatever a model's price is: only limits on requests bear on it.
    pub const fn is_free(&self) -> bool {
        match self {
            Self::Models | Self::Model(_) | Self::Moderations | Self::CountTokens => true,
            Self::ChatCompletions
            | Self::Responses
            | Self::Completions
            | Self::Embeddings
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::ImagesVariations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::Messages => false,
        }
    }

    /// The longest event of its streams that is read as a whole, in bytes: the bound for [`crate::Frames`].
    pub const fn longest_event(&self) -> usize {
        match self {
            Self::Responses | Self::ImagesGenerations | Self::ImagesEdits | Self::ImagesVariations => {
                LONGEST_LARGE_EVENT
            }
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::Models
            | Self::Model(_)
            | Self::Moderations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::Messages
            | Self::CountTokens => LONGEST_EVENT,
        }
    }
}

/// A model's name in a path. It may have slashes, encoded or not.
fn model_name(text: &str) -> Option<ModelName> {
    percent_decode_str(text).decode_utf8().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(method: &Method, path: &str) -> Operation {
        match Operation::of(method, path) {
            Route::Found(operation) => operation,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn every_route_leads_to_its_operation_with_or_without_trailing_things() {
        for (path, operation, upstream) in [
            ("/v1/chat/completions", Operation::ChatCompletions, "/chat/completions"),
            ("/v1/responses", Operation::Responses, "/responses"),
            ("/v1/completions", Operation::Completions, "/completions"),
            ("/v1/embeddings", Operation::Embeddings, "/embeddings"),
            ("/v1/moderations", Operation::Moderations, "/moderations"),
            ("/v1/images/generations", Operation::ImagesGenerations, "/images/generations"),
            ("/v1/images/edits", Operation::ImagesEdits, "/images/edits"),
            ("/v1/images/variations", Operation::ImagesVariations, "/images/variations"),
            ("/v1/audio/speech", Operation::AudioSpeech, "/audio/speech"),
            ("/v1/audio/transcriptions", Operation::AudioTranscriptions, "/audio/transcriptions"),
            ("/v1/audio/translations", Operation::AudioTranslations, "/audio/translations"),
            ("/v1/messages", Operation::Messages, "/v1/messages"),
            ("/v1/messages/count_tokens", Operation::CountTokens, "/v1/messages/count_tokens"),
        ] {
            for trailing in ["", "/", "?beta=true", "/?a=/x/"] {
                assert_eq!(found(&Method::POST, &format!("{path}{trailing}")), operation);
            }
            assert_eq!((operation.route(), operation.path()), (path, upstream));
            assert_eq!(Operation::of(&Method::GET, path), Route::WrongMethod("POST"));
        }
        assert_eq!(found(&Method::GET, "/v1/models"), Operation::Models);
        assert_eq!(Operation::of(&Method::DELETE, "/v1/models/a"), Route::WrongMethod("GET"));
    }

    #[test]
    fn a_model_is_found_by_its_name_whatever_is_encoded() {
        for written in ["meta-llama/Llama-3", "meta-llama%2FLlama-3/", "meta%2dllama%2fLlama-3?limit=1"] {
            let name = "meta-llama/Llama-3".parse().unwrap();
            assert_eq!(found(&Method::GET, &format!("/v1/models/{written}")), Operation::Model(name));
        }
        for path in ["/v1/models/%20", "/v1/models/a%ff", "/v1/models/*", "/v1/models//"] {
            assert_eq!(Operation::of(&Method::GET, path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn what_is_not_served_is_unknown() {
        for path in [
            "/v1/files",
            "/v1/batches",
            "/v1/vector_stores",
            "/v1/realtime",
            "/v1/responses/resp_1",
            "/v1/responses/resp_1/cancel",
            "/v1/chat/completions/x",
            "/v1/chat//completions",
            "/v1//chat/completions",
            "/v1/chat/completions//",
            "/v1/Chat/completions",
            "/v1/fine_tuning/jobs",
            "/v1",
            "/v1/",
            "/v2/messages",
            "/",
            "",
            "/v1/../v1/messages",
        ] {
            assert_eq!(Operation::of(&Method::POST, path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn models_are_told_in_the_protocol_of_the_client() {
        let mut headers = HeaderMap::new();
        assert_eq!(Operation::Models.protocol_for(&headers), Protocol::OpenAi);
        headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static("2023-06-01"));
        assert_eq!(Operation::Models.protocol_for(&headers), Protocol::Anthropic);
        assert_eq!(Operation::ChatCompletions.protocol_for(&headers), Protocol::OpenAi);
    }
}
