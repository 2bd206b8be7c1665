//! How each operation is answered: where usage stands, what ends a stream, and what is text.

use serde_json::Value;

use super::counted::{bytes_of, text_of};
use crate::operation::Operation;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Choices, and chunks of them.
    Choices,
    /// A response, and events about it.
    Response,
    /// A message of Anthropic's, and events about it.
    Message,
    /// Vectors; nothing of them is text.
    Vectors,
    /// Images, whole or in parts.
    Images,
    /// What was said.
    Transcript,
    /// Sound, or what is of no matter here.
    Opaque,
}

impl Answer {
    pub(super) const fn to(operation: &Operation) -> Self {
        match operation {
            Operation::ChatCompletions | Operation::Completions => Self::Choices,
            Operation::Responses => Self::Response,
            Operation::Messages => Self::Message,
            Operation::Embeddings => Self::Vectors,
            Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
                Self::Images
            }
            Operation::AudioTranscriptions | Operation::AudioTranslations => Self::Transcript,
            Operation::Models
            | Operation::Model(_)
            | Operation::Moderations
            | Operation::AudioSpeech
            | Operation::CountTokens => Self::Opaque,
        }
    }

    /// Whether an answer that is not JSON is text.
    pub(super) const fn is_text(self) -> bool {
        match self {
            Self::Choices | Self::Response | Self::Message | Self::Transcript => true,
            Self::Vectors | Self::Images | Self::Opaque => false,
        }
    }

    /// Where an answer, or an event, tells usage.
    pub(super) fn usage(self, body: &Value) -> Option<&Value> {
        let within = match self {
            Self::Response => body.get("response").unwrap_or(body),
            Self::Message => body.get("message").unwrap_or(body),
            Self::Choices | Self::Vectors | Self::Images | Self::Transcript | Self::Opaque => body,
        };
        within.get("usage").filter(|usage| usage.is_object())
    }

    /// Whether an event is the last of its stream, or the one with the whole usage.
    pub(super) fn is_last(self, event: &Value) -> bool {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        match self {
            Self::Choices | Self::Vectors | Self::Opaque => false,
            Self::Response => {
                ["response.completed", "response.incomplete", "response.failed", "response.cancelled"]
                    .contains(&kind)
            }
            Self::Message => kind == "message_stop" || kind == "message_delta" && self.usage(event).is_some(),
            Self::Images => ["image_generation.completed", "image_edit.completed"].contains(&kind),
            Self::Transcript => kind == "transcript.text.done",
        }
    }

    /// Whether an event is the chunk that only tells usage.
    pub(super) fn is_usage_alone(self, event: &Value) -> bool {
        let choices = event.get("choices").and_then(Value::as_array);
        self == Self::Choices && choices.is_some_and(Vec::is_empty) && self.usage(event).is_some()
    }

    /// How many images it has.
    pub(super) fn images(self, body: &Value) -> u64 {
        if self != Self::Images {
            return 0;
        }
        let listed = body.get("data").and_then(Value::as_array).map_or(0, Vec::len);
        u64::try_from(listed).unwrap_or(u64::MAX).saturating_add(u64::from(self.is_last(body)))
    }

    /// Bytes of all that the model wrote.
    pub(super) fn text_bytes(self, body: &Value) -> u64 {
        match self {
            Self::Choices => body.get("choices").map_or(0, bytes_of),
            Self::Response => match (text_of(body, "type"), body.get("delta")) {
                (Some(kind), Some(delta)) if kind.ends_with(".delta") => bytes_of(delta),
                (Some(_), _) => 0,
                (None, _) => body.get("output").map_or(0, bytes_of),
            },
            Self::Message => match text_of(body, "type") {
                Some("content_block_delta") => body.get("delta").map_or(0, bytes_of),
                Some("content_block_start") => body.get("content_block").map_or(0, bytes_of),
                Some("message") | None => body.get("content").map_or(0, bytes_of),
                Some(_) => 0,
            },
            Self::Transcript => match (text_of(body, "type"), body.get("delta")) {
                (Some(_), Some(delta)) => bytes_of(delta),
                (Some(_), None) => 0,
                (None, _) => body.get("text").map_or(0, bytes_of),
            },
            Self::Vectors | Self::Images | Self::Opaque => 0,
        }
    }
}
