//! Messages and their parts: texts, and what is among them that is counted by another rule, or kept elsewhere.

use super::{ITEM, MEMBER, Reader, length};
use crate::json::{Json, Object, is_lower};

/// Sound is sent as base64; a second of the tightest speech has 666 characters, and becomes ten tokens.
const SOUND_BYTES_A_TOKEN: u64 = 16;
/// A sound is a few tokens however short it is.
const SOUND: u64 = 64;

/// Parts of messages whose content is elsewhere, or packed so that its length says nothing.
const ELSEWHERE: [&str; 13] = [
    "audio",
    "audio_url",
    "container_upload",
    "document_url",
    "file",
    "file_url",
    "input_file",
    "input_video",
    "item_reference",
    "media",
    "video",
    "video_url",
    "document",
];

impl Reader {
    /// Messages and their parts, in which there may be images, sound and files.
    pub(super) fn content(&mut self, value: &Json) {
        match value {
            Json::Array(items) => {
                for item in items {
                    self.add(ITEM);
                    self.content(item);
                }
            }
            Json::Object(object) => self.part(object),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => self.plain(value),
        }
    }

    fn part(&mut self, part: &Object) {
        let kind = part.text("type").unwrap_or_default();
        // What is counted by itself, so that its bytes are no text.
        let apart: &[&str] = match kind {
            "image" | "image_url" | "input_image" | "computer_screenshot" => {
                self.add(self.vision.tokens(part));
                &["image_url", "source", "file_id"]
            }
            "input_audio" => {
                self.sound(part);
                &["input_audio"]
            }
            "document" if is_text(part) => &[],
            kind if ELSEWHERE.contains(&kind) => {
                self.hide(kind);
                &["file", "file_data", "file_url", "file_id", "source", "video_url", "audio_url"]
            }
            _ => &[],
        };
        for (name, value) in part.members().filter(|(name, _)| !apart.contains(name)) {
            self.add(MEMBER.saturating_add(length(name)));
            self.note_cache(name, value);
            if !is_lower(name) {
                self.hide(name);
            }
            match name {
                // What a tool is called with is read as it stands, whatever it looks like.
                "input" | "arguments" | "parameters" => self.plain(value),
                // A sound that was given before is kept upstream.
                "audio" if part.text("role") == Some("assistant") => self.hide("audio"),
                _ => self.content(value),
            }
        }
    }

    fn sound(&mut self, part: &Object) {
        let sound = part.given("input_audio").and_then(|audio| audio.as_object()?.text("data"));
        match sound {
            Some(sound) if !sound.contains("://") => {
                self.add(SOUND.saturating_add(length(sound).div_ceil(SOUND_BYTES_A_TOKEN)));
            }
            // A URL, or what we do not know how to find a sound in.
            Some(_) | None => self.hide("input_audio"),
        }
    }
}

/// Whether a document is sent as the text that it is.
fn is_text(document: &Object) -> bool {
    let source = document.given("source").and_then(Json::as_object);
    source.and_then(|source| source.text("type")).is_some_and(|kind| ["text", "content"].contains(&kind))
}
