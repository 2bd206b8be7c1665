//! How each operation is answered: where usage stands, what ends a stream, and what is text.

use super::counted::Said;
use crate::operation::Operation;

/// Where in an answer, or an event, it may stand what the model wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a member that has all of it, of an answer or of a chunk.
    Whole,
    /// In one that has what is new.
    Delta,
    /// In one that begins a block.
    Block,
}

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

    /// Whether an event of this type is the last of its stream, whatever else it says.
    pub(super) fn ends_with(self, kind: Option<&str>) -> bool {
        let last: &[&str] = match self {
            Self::Choices | Self::Vectors | Self::Opaque => &[],
            Self::Response => {
                &["response.completed", "response.incomplete", "response.failed", "response.cancelled"]
            }
            Self::Message => &["message_stop"],
            Self::Images => &["image_generation.completed", "image_edit.completed"],
            Self::Transcript => &["transcript.text.done"],
        };
        kind.is_some_and(|kind| last.contains(&kind))
    }

    /// How many images an answer, or an event, has that lists so many and may be the last.
    pub(super) fn images_of(self, listed: usize, is_last: bool) -> u64 {
        match self {
            Self::Images => u64::try_from(listed).unwrap_or(u64::MAX).saturating_add(u64::from(is_last)),
            Self::Choices
            | Self::Response
            | Self::Message
            | Self::Vectors
            | Self::Transcript
            | Self::Opaque => 0,
        }
    }

    /// What stands in a member of an event, if it may be text.
    pub(super) fn place(self, member: &str) -> Option<Place> {
        match (self, member) {
            (Self::Choices, "choices")
            | (Self::Response, "output")
            | (Self::Message, "content")
            | (Self::Transcript, "text") => Some(Place::Whole),
            (Self::Response | Self::Message | Self::Transcript, "delta") => Some(Place::Delta),
            (Self::Message, "content_block") => Some(Place::Block),
            _ => None,
        }
    }

    /// Bytes of all that the model wrote, where an event of this type has so much in its places. An answer that came as a whole has no type,
    /// or one of its own.
    pub(super) fn text_of(self, kind: Option<&str>, said: Said) -> u64 {
        match (self, kind) {
            (Self::Choices, _)
            | (Self::Response | Self::Message | Self::Transcript, None)
            | (Self::Message, Some("message")) => said.whole,
            (Self::Message, Some("content_block_delta")) | (Self::Transcript, Some(_)) => said.delta,
            (Self::Response, Some(kind)) if kind.ends_with(".delta") => said.delta,
            (Self::Message, Some("content_block_start")) => said.block,
            (Self::Response | Self::Message, Some(_)) | (Self::Vectors | Self::Images | Self::Opaque, _) => 0,
        }
    }
}
