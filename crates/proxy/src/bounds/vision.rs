//! How many tokens an image becomes at most.

use crate::json::Object;

/// What an image of each sort of detail becomes at most, by a family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vision {
    low: u64,
    high: u64,
    original: u64,
}

/// Tiles of this family count 33 times those of others, so that images cost the same in money: 2,833 and eight times 5,667.
const TILES_OF_4O_MINI: Vision = Vision { low: 2_833, high: 48_169, original: 48_169 };
/// The largest documented figures of OpenAI's and Anthropic's other models: 3,779 for 1,536 patches, 4,784 for an image of 2,576 pixels,
/// and 24,600 for ten thousand patches.
const DOCUMENTED: Vision = Vision { low: 1_024, high: 5_120, original: 25_600 };
/// Of all other models: what open ones make of the largest image that they take.
const OTHERS: Vision = Vision { low: 16_384, high: 16_384, original: 25_600 };

/// Whether a model is of the family whose images count most tokens.
pub(super) fn is_dearest_vision(model: &str) -> bool {
    model.contains("4o-mini")
}

impl Vision {
    /// That of a model, by what its provider calls it.
    pub(super) fn of(model: &str) -> Self {
        const KNOWN: [&str; 8] =
            ["gpt-", "chatgpt-", "o1", "o3", "o4", "computer-use", "claude-", "omni-moderation"];
        if is_dearest_vision(model) {
            TILES_OF_4O_MINI
        } else if KNOWN.iter().any(|family| model.starts_with(family)) {
            DOCUMENTED
        } else {
            OTHERS
        }
    }

    /// The tokens of an image in this part of a message.
    pub(super) fn tokens(self, part: &Object) -> u64 {
        let nested = part.given("image_url").and_then(|image| image.as_object()?.text("detail"));
        match part.text("detail").or(nested) {
            Some("low") => self.low,
            None | Some("auto" | "high") => self.high,
            Some(_) => self.original,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;

    fn tokens(model: &str, part: &str) -> u64 {
        let Json::Object(part) = serde_json::from_str(part).unwrap() else { panic!("an object") };
        Vision::of(model).tokens(&part)
    }

    #[test]
    fn an_image_is_bounded_by_its_detail_and_its_model() {
        assert_eq!(tokens("gpt-4o", r#"{"image_url":{"url":"x","detail":"low"}}"#), 1_024);
        assert_eq!(tokens("gpt-4o", r#"{"image_url":{"url":"x"}}"#), 5_120);
        assert_eq!(tokens("gpt-5", r#"{"image_url":"x","detail":"original"}"#), 25_600);
        assert_eq!(tokens("gpt-5", r#"{"image_url":"x","detail":"something new"}"#), 25_600);
        assert_eq!(tokens("gpt-4o-mini", r#"{"image_url":{"url":"x"}}"#), 48_169);
        assert_eq!(tokens("claude-opus-4-1", r#"{"source":{}}"#), 5_120);
        assert_eq!(tokens("qwen-vl", r#"{"image_url":{"url":"x"}}"#), 16_384);
    }
}
